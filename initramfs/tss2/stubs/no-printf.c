/* Replaces musl's pthread_setname_np in the agent. Rust's standard library names each thread from within that thread. musl's
 * function can name other threads, too, and formats their number with a printf that supports floating point: 11 KB that
 * nothing else in the agent needs. */

#include <sys/prctl.h>

int pthread_setname_np(unsigned long self, const char *name) { (void)self; return prctl(PR_SET_NAME, name); }
