/* Rust names each thread from within it. musl's function for that can name others too, and writes their number with a
 * printf that knows floating point: 11 KB that nothing else in the agent needs. */

#include <sys/prctl.h>

int pthread_setname_np(unsigned long self, const char *name) { (void)self; return prctl(PR_SET_NAME, name); }
