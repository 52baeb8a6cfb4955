/* Implements worker/job/step-table.h. */
#include "worker/job/step-table.h"

#include "worker/job/cancel.h"

int step_row_begin(const struct step_row *row, unsigned kind, struct report *report,
                   struct error **err)
{
        if (!(row->kinds & kind))
                return 0;
        if (!row->runs_cancelled && worker_check_cancelled(err) < 0)
                return -1;
        if (row->name != STEP_NAME_NONE)
                report_step(report, row->name);
        return 1;
}

void step_row_end(const struct step_row *row, struct report *report)
{
        if (row->name != STEP_NAME_NONE)
                report_step_end(report, STEP_DONE, NULL);
}
