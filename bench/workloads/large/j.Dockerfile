# COPY of 1 GB in 262,144 files.
FROM debian:bookworm
COPY . /srv/
