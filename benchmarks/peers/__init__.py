"""Our networks beside the programs that people would use instead, in one run on one machine."""
