/* A temporary folder, and messages to put into it. */
#pragma once

#include <criterion/criterion.h>

#include "base/memory.h"
#include "base/strings.h"
#include "notify/notice.h"

/* Every test that names it as .init/.fini has `folder`, an empty one. */
extern char *folder;
void make_folder(void);
void remove_folder(void);

/* A message with that title; the caller frees. */
struct notice *make_notice(const char *title);
/* The whole text of a file in `folder`; NULL when it is not there. The caller frees. */
char *read_file(const char *name);
void write_file(const char *name, const char *text);
