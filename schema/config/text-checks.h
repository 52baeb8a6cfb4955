/* Checks of texts out of configuration files: each returns NULL when the text is fine, else what
 * was expected (a constant, fit for "expected …"). Pure but for text_check_timezone, which looks
 * into the system's zone database. */
#pragma once

/* A name of a VM: a safe path component that is not reserved. */
const char *text_check_name(const char *text);
/* The same of a hypervisor, where `auto` has a meaning of its own. */
const char *text_check_hypervisor(const char *text);
/* A name of a hypervisor, or `auto`. */
const char *text_check_home(const char *text);
/* A libvirt domain's name: at most 255 bytes, no '/'. */
const char *text_check_domain(const char *text);
/* A path from the root, without "." and "..", not the root itself. */
const char *text_check_absolute_path(const char *text);
/* Makes a path what the kernel's mount table would show: no doubled and no trailing slashes. */
void path_tidy_slashes(char *path);
/* A path, relative or absolute, without "..". */
const char *text_check_path(const char *text);
/* A host name, or an IPv4 or IPv6 address. */
const char *text_check_address(const char *text);
/* A login name. */
const char *text_check_user(const char *text);
/* A name of an environment variable. */
const char *text_check_variable(const char *text);
/* A disk's target: "vda", "sdb", "hdc". */
const char *text_check_target(const char *text);
/* A POSIX extended regular expression. */
const char *text_check_pattern(const char *text);
/* A short word: letters, digits, and . _ - + @ within. For tags, profiles, names of algorithms. */
const char *text_check_word(const char *text);
/* A connection URI of libvirt for QEMU that verifies whom it talks to. */
const char *text_check_libvirt_uri(const char *text);
/* "" or ADDRESS:PORT. */
const char *text_check_listen(const char *text);
/* A zone that this system knows. */
const char *text_check_timezone(const char *text);
