/* The measured image's init: records its start and the state that it finds, then ends the guest. */
#include "record.h"

#include <string.h>
#include <sys/reboot.h>

static char *slurp(const char *path, char *buffer, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t length = file ? fread(buffer, 1, size - 1, file) : 0;

	if (file)
		fclose(file);
	buffer[length] = '\0';
	while (length && buffer[length - 1] == '\n')
		buffer[--length] = '\0';
	return buffer;
}

/* The KiB in a line of /proc/meminfo. */
static long meminfo(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line ? strtol(line + strlen(key), NULL, 10) : -1;
}

static void report_pcrs(void)
{
	static const char *const banks[] = { "sha1", "sha256", "sha384", "sha512" };
	char path[128], value[256];

	for (size_t bank = 0; bank < sizeof(banks) / sizeof(*banks); bank++) {
		snprintf(path, sizeof(path), "/sys/class/tpm/tpm0/pcr-%s/13", banks[bank]);
		if (*slurp(path, value, sizeof(value)))
			record(1, "{\"pcr\": {\"%s\": \"%s\"}}", banks[bank], value);
	}
}

int main(void)
{
	long long init = now();
	char text[8192];

	slurp("/proc/meminfo", text, sizeof(text));
	record(1, "{\"init\": %lld, \"free_kib\": %ld, \"buffers_kib\": %ld, \"cached_kib\": %ld, \"shmem_kib\": %ld}", init,
	       meminfo(text, "\nMemFree:"), meminfo(text, "\nBuffers:"), meminfo(text, "\nCached:"), meminfo(text, "\nShmem:"));
	slurp("/run/measureroot/status.json", text, sizeof(text));
	for (char *end = text; (end = strchr(end, '\n'));)
		*end = ' '; /* A record is one line. */
	if (*text)
		record(1, "{\"status\": %s}", text);
	report_pcrs();
	reboot(RB_POWER_OFF);
	return 1;
}
