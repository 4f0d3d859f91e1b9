/* usage: power_loss_apply ROOT STORE SEED: after the kill of a program under the shim. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/power_loss.h"

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: power_loss_apply ROOT STORE SEED\n");
        return 2;
    }
    struct power_loss_report report;
    if (power_loss_apply(argv[1], argv[2], strtoull(argv[3], NULL, 10), &report) != 0) return 1;
    (void)printf("%" PRId64 " of %" PRId64 " unsynced writes and %" PRId64 " of %" PRId64
                 " unsynced entries taken back\n",
                 report.writes_undone, report.writes, report.entries_undone, report.entries);
    return 0;
}
