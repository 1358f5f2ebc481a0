/*
 * messages.c - what the workstation has to say: the bottom line for a while, a list in memory (panel
 * "messages"), and $XDG_STATE_HOME/vitrine/vitrine.log. Never the terminal. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tui/ui.h"

#define LOG_KEEP (1 << 20) /* a log that has grown beyond this is set aside once, as vitrine.log.old */

int message_log_open(struct ui *ui)
{
	char folder[600], file[700], old[720], err[VMC_MSG_SIZE];
	struct stat st;
	int rc;

	ui->log_fd = -1;
	rc = vmc_path_state(folder, sizeof(folder), err, sizeof(err));
	if (rc < 0) {
		ui_warn(ui, "no log file: %s", err);
		return rc;
	}
	snprintf(file, sizeof(file), "%s/vitrine.log", folder);
	if (stat(file, &st) == 0 && st.st_size > LOG_KEEP) {
		snprintf(old, sizeof(old), "%s.old", file);
		rename(file, old);
	}
	ui->log_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (ui->log_fd < 0) {
		rc = -errno;
		ui_warn(ui, "no log file: %s: %s", file, strerror(-rc));
		return rc;
	}
	return 0;
}

void message_log_close(struct ui *ui)
{
	if (ui->log_fd >= 0)
		close(ui->log_fd);
	ui->log_fd = -1;
}

static void to_file(struct ui *ui, const struct ui_message *m)
{
	char line[UI_MSG_SIZE + 64], when[32];
	time_t t = (time_t)m->time_s;
	struct tm tm;
	int n;

	if (ui->log_fd < 0)
		return;
	localtime_r(&t, &tm);
	strftime(when, sizeof(when), "%F %T", &tm);
	n = snprintf(line, sizeof(line), "%s [%d]%s %s\n", when, (int)getpid(), m->bad ? " warning:" : "", m->text);
	(void)!write(ui->log_fd, line, (size_t)n);
}

static void add(struct ui *ui, bool bad, const char *fmt, va_list ap)
{
	struct ui_message *m;
	size_t i;

	if (ui->messages == NULL) {
		ui->messages = calloc(MESSAGES_MAX, sizeof(*ui->messages));
		if (ui->messages == NULL)
			return;
	}
	if (ui->nmessages < MESSAGES_MAX)
		m = &ui->messages[(ui->message_first + ui->nmessages++) % MESSAGES_MAX];
	else
		m = &ui->messages[ui->message_first++ % MESSAGES_MAX];
	m->time_s = (int64_t)time(NULL);
	m->bad = bad;
	vsnprintf(m->text, sizeof(m->text), fmt, ap);
	for (i = 0; m->text[i] != '\0'; i++)
		if (m->text[i] == '\n' || m->text[i] == '\t')
			m->text[i] = ' ';
	ui->message_serial++;
	to_file(ui, m);
	snprintf(ui->line.message, sizeof(ui->line.message), "%s", m->text);
	ui->line.bad = bad;
	if (ui->line.message_tall)
		ui_redraw_all(ui);
	ui->line.message_tall = false;
	ui->line.message_since_ms = ui_now_ms();
	ui->line.message_until_ms = ui->line.message_since_ms + (bad ? 8000 : 4000);
	ui->draw_line = true;
	ui_schedule(ui);
	for (i = 0; i < ui->npool; i++)
		if (ui->pool[i]->ops == &panel_messages)
			ui_mark(ui->pool[i]);
}

void ui_say(struct ui *ui, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(ui, false, fmt, ap);
	va_end(ap);
}

void ui_warn(struct ui *ui, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(ui, true, fmt, ap);
	va_end(ap);
}

size_t message_count(const struct ui *ui)
{
	return ui->nmessages;
}

const struct ui_message *message_get(const struct ui *ui, size_t index)
{
	return &ui->messages[(ui->message_first + index) % MESSAGES_MAX];
}
