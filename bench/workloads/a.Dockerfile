# One tiny RUN on debian.
FROM debian:bookworm
RUN echo hello > /hello
