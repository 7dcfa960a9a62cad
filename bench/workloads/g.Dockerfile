# Two stages: headers, Python and gcc go from a large one into a small one.
FROM bench/toolchain AS build
RUN echo built > /built
FROM debian:bookworm
COPY --from=build /built /built
COPY --from=build /usr/include /usr/include
COPY --from=build /usr/lib/python3.11 /usr/lib/python3.11
COPY --from=build /usr/lib/python3 /usr/lib/python3
COPY --from=build /usr/lib/gcc /usr/lib/gcc
