/* What an appliance shows, from the terminal's bytes to a verdict. A cleaned text has no control
 * characters but line ends and tabs, is never longer than what was shown, and is its own cleaned
 * text; what is refused says why. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "transports/appliance/appliance-text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static struct appliance_profile *asa(void)
{
        static struct appliance_profile *profile;
        _cleanup_problems_ struct problems problems = { 0 };
        if (!profile)
                profile = appliance_profile_load("/nonexistent/vm-list.yaml", 0, "asa", &problems);
        require(profile != NULL);
        return profile;
}

static char *clean(const char *raw, size_t length)
{
        _cleanup_strbuf_ struct strbuf text = { 0 };
        appliance_text_clean(raw, length, &text);
        return strbuf_take(&text);
}

static void check_text(const char *text, size_t size)
{
        require(strlen(text) <= size);
        for (const char *c = text; *c; c++)
                require((unsigned char)*c >= 0x20 ? *c != 0x7F : *c == '\n' || *c == '\t');
        _cleanup_free_ char *again = clean(text, strlen(text));
        require(strcmp(text, again) == 0);
}

static void check_verdicts(const char *text)
{
        const struct appliance_profile *profile = asa();
        _cleanup_free_ char *refusal = appliance_text_refusal(profile, text);
        for (size_t i = 0; i < profile->n_captures; i++) {
                _cleanup_error_ struct error *error = NULL;
                int r = appliance_text_validate(profile, &profile->captures[i], text, &error);
                require((r < 0) == (error != NULL) && (!error || *error->message));
                require(!refusal || r < 0);
        }
        require(!appliance_text_differs(profile, text, text));
        require(appliance_text_echo_length(text, "asav#", "show version") <= strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *raw = (const char *)data;
        _cleanup_free_ char *text = clean(raw, size);
        check_text(text, size);
        check_verdicts(text);
        (void)appliance_text_pager_mark(asa(), raw, size);
        return 0;
}
