/* What a test's code prints, caught in files. */
#pragma once

struct capture {
        char *out; /* stdout since capture_begin(), never NULL after capture_end() */
        char *errors;
        int saved[2];
        int files[2];
};

/* Redirects stdout and stderr; may be called again after capture_end(). */
void capture_begin(struct capture *capture);
void capture_end(struct capture *capture);
void capture_done(struct capture *capture);
