/* Records: lines of JSON on the console. The benchmark picks them out of the other lines. */
#ifndef RECORD_H
#define RECORD_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Nanoseconds of the clock that all parts of a boot share. */
static inline long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* One write per record, on its own line, because other programs write to the console too. */
__attribute__((format(printf, 2, 3))) static inline void record(int console, const char *format, ...)
{
	static const char start[] = "\n@bench ";
	char line[8192];
	size_t length = sizeof(start) - 1;
	va_list arguments;

	__builtin_memcpy(line, start, length);
	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);
	va_end(arguments);
	line[length++] = '\n';
	for (const char *rest = line; length > 0;) {
		ssize_t written = write(console, rest, length);
		if (written <= 0)
			return;
		rest += written;
		length -= written;
	}
}

#endif
