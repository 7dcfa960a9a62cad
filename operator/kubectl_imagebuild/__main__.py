"""`kubectl imagebuild`, which ends without a word where it is interrupted before it has begun."""

import signal

# What follows takes a tenth of a second to load, and Python tells of an interrupt by where it was. Whoever
# starts a program in the background may have it ignore them.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from kubectl_imagebuild.command import main

if __name__ == "__main__":
    main()
