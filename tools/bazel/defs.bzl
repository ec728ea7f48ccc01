"""What every target of ours is compiled with."""

LL_COPTS = [
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wmissing-prototypes",
    "-Wshadow",
    "-Wvla",
]

# What must give the same bits on every processor: products and sums are rounded one by one, also where the
# processor could do both at once.
LL_SAME_BITS_COPTS = LL_COPTS + ["-ffp-contract=off"]
