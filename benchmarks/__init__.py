"""Our figures beside those of what you would pick instead, measured interleaved in one run.

    python -m pip install -e '.[benchmarks]'
    python -m benchmarks --list                  what there is
    python -m benchmarks                         everything (about half an hour)
    python -m benchmarks open_close echo         two of them
    python -m benchmarks realtime.100            one size of one of them
    python -m benchmarks open_close --quick      few rounds: does it work here?
    python -m benchmarks --json > figures.json   one document for a program to read

Every round runs each subject once, the next round begins with the next one. Ratios are to the first subject of the
same round: the median over the rounds, with the quartiles in brackets. One subject is always the first one a second
time, called "null": where its ratio is not within 0.95 and 1.05 the machine was too noisy and the run judges nothing.
Times never make it fail; a benchmark that breaks does. Nothing leaves loopback and no key is needed.
Benchmarks run one at a time: leave the machine alone meanwhile.
"""
