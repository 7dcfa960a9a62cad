# A compiler, Python and many small files: with debian's own 19,000 files, 342 MB.
FROM debian:bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      adwaita-icon-theme gcc libc6-dev libstdc++-12-dev ncurses-term python3 tzdata \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/log/* \
      /usr/bin/*lto-dump* /usr/lib/gcc/*/*/lto1 /usr/lib/gcc/*/*/lib?san* /usr/lib/*/lib?san* /usr/lib/*/libicudata.so*
