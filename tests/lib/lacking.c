/* lacking.c - runs a program as on a kernel, or a file system, that cannot do something:
 *   lacking uring|exchange|link|zeroing[,...] PROGRAM [ARGUMENT...] */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int lack(scmp_filter_ctx ctx, const char *what)
{
	if (!strcmp(what, "uring"))
		return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
	if (!strcmp(what, "exchange")) /* renameat2() with RENAME_EXCHANGE */
		return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(renameat2), 1,
			(struct scmp_arg_cmp){4, SCMP_CMP_EQ, RENAME_EXCHANGE, 0});
	if (!strcmp(what, "link")) /* as vfat says it */
		return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(linkat), 0);
	if (!strcmp(what, "zeroing")) /* fallocate(), as old loop devices answer */
		return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(fallocate), 0);
	return -1;
}

int main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = argc < 3 || !ctx ? -1 : 0;

	for (char *what = argc < 3 ? NULL : strtok(argv[1], ","); what && rc == 0;
		what = strtok(NULL, ","))
		rc = lack(ctx, what);
	if (rc < 0 || seccomp_load(ctx) < 0) {
		fprintf(stderr, "lacking: no filter\n");
		return 1;
	}
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
