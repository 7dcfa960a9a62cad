"""How far a build has come, on a screen: lines of its log in, lines of a terminal out."""
