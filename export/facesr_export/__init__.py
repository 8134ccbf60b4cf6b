"""From a training checkpoint to a stamped ONNX file: conversion, parity check, metadata."""
