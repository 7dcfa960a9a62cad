# COPY of 1 GB in 26,699 files.
FROM debian:bookworm
COPY . /srv/
