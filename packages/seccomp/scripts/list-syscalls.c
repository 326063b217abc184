/*
 * Lists the system call numbers that libseccomp knows, one "architecture name number" a line, from 0 or the
 * architecture's own base upwards. Numbers are the kernel's; libseccomp is only asked because it knows them for
 * seventeen architectures at once.
 */
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct span {
	const char *name;
	uint32_t token;
	int first;
};

static const struct span spans[] = {
	{ "x86", SCMP_ARCH_X86, 0 },
	{ "x86_64", SCMP_ARCH_X86_64, 0 },
	{ "x32", SCMP_ARCH_X32, 0x40000000 },
	{ "arm", SCMP_ARCH_ARM, 0 },
	{ "arm", SCMP_ARCH_ARM, 0xf0000 },
	{ "aarch64", SCMP_ARCH_AARCH64, 0 },
	{ "mips", SCMP_ARCH_MIPS, 4000 },
	{ "mips64", SCMP_ARCH_MIPS64, 5000 },
	{ "mips64n32", SCMP_ARCH_MIPS64N32, 6000 },
	{ "parisc", SCMP_ARCH_PARISC, 0 },
	{ "parisc64", SCMP_ARCH_PARISC64, 0 },
	{ "ppc", SCMP_ARCH_PPC, 0 },
	{ "ppc64", SCMP_ARCH_PPC64, 0 },
	{ "riscv64", SCMP_ARCH_RISCV64, 0 },
	{ "s390", SCMP_ARCH_S390, 0 },
	{ "s390x", SCMP_ARCH_S390X, 0 },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++) {
		for (int number = spans[i].first; number < spans[i].first + 1000; number++) {
			char *name = seccomp_syscall_resolve_num_arch(spans[i].token, number);
			if (name == NULL)
				continue;
			printf("%s %s %d\n", spans[i].name, name, number);
			free(name);
		}
	}
	return 0;
}
