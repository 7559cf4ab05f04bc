/*
 * The first program in the benchmark's guest. Real machines have a TPM when Linux starts; here it is swtpm behind a proxy
 * device, so it is started first, and then /init takes this process over, as PID 1, as if the kernel had run it.
 */
#include "record.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/mount.h>

static void fail(const char *step)
{
	perror(step);
	exit(1); /* PID 1 ends: the kernel panics, the guest stops, the benchmark prints its console. */
}

static void start_tpm(void)
{
	static char *const swtpm[] = {
		"/bench/ld.so", "--library-path", "/bench/lib", "/bench/swtpm", "chardev", "--vtpm-proxy", "--tpm2", "--tpmstate",
		"dir=/bench/state", "--flags", "startup-clear", "--seccomp", "action=none", NULL,
	};

	switch (fork()) {
	case -1:
		fail("fork");
		break;
	case 0:
		if (!freopen("/dev/null", "w", stdout))
			fail("/dev/null");
		execv(swtpm[0], swtpm);
		fail("swtpm");
	}
}

/* The kernel makes /dev/tpm0 when the proxy has answered its first commands, and the resource manager's node after it. */
static void wait_for_tpm(int watch)
{
	char events[4096];
	struct pollfd readable = { .fd = watch, .events = POLLIN };

	while (access("/dev/tpm0", F_OK) || access("/dev/tpmrm0", F_OK)) {
		if (poll(&readable, 1, 10000) != 1)
			fail("no TPM after 10 s");
		if (read(watch, events, sizeof(events)) < 0)
			fail("inotify");
	}
}

int main(void)
{
	static char *const arguments[] = { "/init", NULL }, *const environment[] = { "HOME=/", "TERM=linux", NULL };
	long long start = now();
	int watch;

	if (mount("dev", "/dev", "devtmpfs", 0, NULL))
		fail("mount devtmpfs on /dev");
	watch = inotify_init1(IN_CLOEXEC);
	if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE) < 0)
		fail("inotify");
	start_tpm();
	wait_for_tpm(watch);
	/* /init finds /dev as the kernel would have left it. */
	if (umount2("/dev", MNT_DETACH))
		fail("umount /dev");
	record(1, "{\"start\": %lld, \"exec\": %lld}", start, now());
	execve("/init", arguments, environment);
	fail("/init");
}
