# One tiny RUN on a large base.
FROM bench/toolchain
RUN echo hello > /hello
