# One tiny RUN on 3 GB in 100,000 files.
FROM bench/heavy
RUN echo hello > /hello
