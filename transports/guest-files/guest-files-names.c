/* File names of a guest, which may contain any bytes but '/' and NUL: escapes them for display, and
 * selects one in a folder with tar's patterns. */
#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "base/strings.h"
#include "transports/guest-files/guest-files-internal.h"

/* The length of the UTF-8 character at `text`; 0 if it is not valid, or is a control character
 * beyond ASCII (U+0080…U+009F). */
static size_t utf8_length(const unsigned char *text)
{
        size_t length = text[0] >= 0xc2 && text[0] < 0xe0   ? 2
                        : (text[0] & 0xf0) == 0xe0          ? 3
                        : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                            : 0;
        for (size_t i = 1; i < length; i++)
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
        bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
        bool surrogate = text[0] == 0xed && text[1] >= 0xa0;
        bool too_large = text[0] == 0xf4 && text[1] >= 0x90;
        bool control = text[0] == 0xc2 && text[1] < 0xa0;
        /* U+2028…U+202E and U+2066…U+2069 break lines or change the reading direction. */
        bool turning =
                text[0] == 0xe2 && ((text[1] == 0x80 && text[2] >= 0xa8 && text[2] <= 0xae) ||
                                    (text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9));
        return overlong || surrogate || too_large || control || turning ? 0 : length;
}

char *guest_files_escape(const char *name)
{
        struct strbuf out = { 0 };
        for (const unsigned char *p = (const unsigned char *)name; *p;) {
                size_t length = *p < 0x80 ? 0 : utf8_length(p);
                if (length) {
                        strbuf_append(&out, p, length);
                        p += length;
                        continue;
                }
                if (*p == '\n')
                        strbuf_add(&out, "\\n");
                else if (*p == '\t')
                        strbuf_add(&out, "\\t");
                else if (*p == '\\')
                        strbuf_add(&out, "\\\\");
                else if (*p < 0x20 || *p >= 0x7f)
                        strbuf_addf(&out, "\\x%02x", *p);
                else
                        strbuf_add_char(&out, (char)*p);
                p++;
        }
        return strbuf_take(&out);
}

char **guest_files_all_but(const char *name)
{
        char **patterns = NULL;
        _cleanup_strbuf_ struct strbuf prefix = { 0 };
        strbuf_add(&prefix, "./");
        for (const char *p = name; *p; p++) {
                if (*p == '\n') /* the patterns are lines */
                        return patterns;
                if (p > name)
                        strv_add(&patterns, prefix.data);
                if (isalnum((unsigned char)*p) || strchr("-._ +,=@%~", *p))
                        strv_addf(&patterns, "%s[!%c]*", prefix.data, *p);
                if (strchr("*?[\\", *p))
                        strbuf_add_char(&prefix, '\\');
                strbuf_add_char(&prefix, *p);
        }
        strv_addf(&patterns, "%s?*", prefix.data);
        return patterns;
}
