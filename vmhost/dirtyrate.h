/* dirtyrate.h - calc-dirty-rate and query-dirty-rate: MiB/s written, by the dirty log. Main thread.
 */
#ifndef VMHOST_DIRTYRATE_H
#define VMHOST_DIRTYRATE_H
#include <jansson.h>

struct dirty_rate;
struct host;

/** dirty_rate_start() - measure for @seconds from now; -EBUSY while one runs. */
int dirty_rate_start(struct host *h, unsigned seconds, char *err, size_t err_size);
json_t *dirty_rate_query(const struct host *h);
void dirty_rate_free(struct dirty_rate *dr);

#endif
