"""What limits `facesr-cli` on a CPU: arithmetic, start-up, choices of encoding, growth."""
