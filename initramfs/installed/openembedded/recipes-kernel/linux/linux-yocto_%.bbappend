require recipes-kernel/linux/measureroot-kernel.inc
