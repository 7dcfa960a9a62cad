# Ten tiny RUNs on a large base.
FROM bench/toolchain
RUN echo 1 > /step-1
RUN echo 2 > /step-2
RUN echo 3 > /step-3
RUN echo 4 > /step-4
RUN echo 5 > /step-5
RUN echo 6 > /step-6
RUN echo 7 > /step-7
RUN echo 8 > /step-8
RUN echo 9 > /step-9
RUN echo 10 > /step-10
