"""One thin module per command: parse, build settings, call one function, print, exit."""
