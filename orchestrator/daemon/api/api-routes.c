/* The table of routes: schema/openapi.yaml has exactly these (a test holds both together). */
#include <stddef.h>

#include "daemon/api/api.h"

const struct api_route api_routes[] = {
        { "GET", "/v1/status", api_status, NULL },
        { "POST", "/v1/run", api_run, NULL },
        { "POST", "/v1/backup", api_backup, NULL },
        { "POST", "/v1/check", api_check, NULL },
        { "POST", "/v1/recover", api_recover, NULL },
        { "POST", "/v1/restore", api_restore, NULL },
        { "POST", "/v1/prune", api_prune, NULL },
        { "POST", "/v1/discover", api_discover, NULL },
        { "POST", "/v1/verify", api_verify, NULL },
        { "POST", "/v1/test-restore", api_test_restore, NULL },
        { "GET", "/v1/hypervisors", api_hypervisors, NULL },
        { "POST", "/v1/hypervisors/check", api_hypervisors_check, NULL },
        { "GET", "/v1/points", api_points, (const char *const[]){ "vm", "failed", NULL } },
        { "GET", "/v1/points/{vm}/{point}", api_point, NULL },
        { "POST", "/v1/points/{vm}/{point}/hold", api_hold, NULL },
        { "POST", "/v1/points/{vm}/{point}/release", api_release, NULL },
        { "GET", "/v1/schedule", api_schedule, NULL },
        { "GET", "/v1/jobs/{id}/log", api_job_log, (const char *const[]){ "follow", NULL } },
        { "POST", "/v1/jobs/{id}/cancel", api_job_cancel, NULL },
        { "POST", "/v1/cancel", api_cancel, NULL },
        { "POST", "/v1/pause", api_pause, NULL },
        { "POST", "/v1/resume", api_resume, NULL },
        { "POST", "/v1/reload", api_reload, NULL },
        { "POST", "/v1/notify/failure", api_notify_failure, NULL },
        { "POST", "/v1/notify/test", api_notify_test, NULL },
        { "GET", "/metrics", api_metrics, NULL },
        { 0 },
};
