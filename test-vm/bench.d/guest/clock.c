/* clock NAME COMMAND...: runs the command and records its time. */
#include "record.h"

#include <sys/wait.h>

int main(int count, char **arguments)
{
	long long start = now();
	int status;
	pid_t child;

	if (count < 3)
		return 2;
	child = fork();
	if (child == 0) {
		execvp(arguments[2], arguments + 2);
		perror(arguments[2]);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("clock");
		return 1;
	}
	/* Standard output belongs to the command, because the shell reads it. */
	record(2, "{\"%s\": %lld}", arguments[1], now() - start);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
