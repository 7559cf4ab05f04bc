/*
 * The first program in the benchmark's guest. A real machine has a TPM when Linux starts. Here the TPM is swtpm behind a proxy
 * device, so this program starts swtpm first. Then it executes /init, which becomes PID 1 as if the kernel had started it.
 */
#include "record.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/mount.h>

static void fail(const char *step)
{
	perror(step);
	exit(1); /* If PID 1 ends, the kernel panics, the guest stops, and the benchmark prints its console. */
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

/* The kernel makes /dev/tpm0 after the proxy has answered its first commands. The resource manager's node follows. */
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
	/* /init must find /dev as the kernel leaves it. */
	if (umount2("/dev", MNT_DETACH))
		fail("umount /dev");
	record(1, "{\"start\": %lld, \"exec\": %lld}", start, now());
	execve("/init", arguments, environment);
	fail("/init");
}
