# 20,000 small files on debian.
FROM debian:bookworm
RUN perl -e 'for $d (0..199) { mkdir "/srv/$d"; for $f (0..99) { \
      open F, ">", "/srv/$d/$f" or die; print F "file $f of directory $d\n" x (1 + $f % 40); close F } }'
