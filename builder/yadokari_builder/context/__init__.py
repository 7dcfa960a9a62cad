"""Where the files of COPY and ADD come from."""
