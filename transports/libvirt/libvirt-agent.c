/* Calls to the guest's agent. Without a response timeout libvirt waits for an agent for ever, so
 * every call sets one first. It stays set on the domain, because libvirt has no call that returns
 * the old one. */
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "base/memory.h"
#include "schema/json/json-fields.h"
#include "schema/libvirt/domain-live.h"
#include "transports/libvirt/libvirt-error.h"
#include "transports/libvirt/libvirt-ssh-internal.h"

enum { MAX_REPLY_BYTES = 64 * 1024 };

static int set_timeout(virDomainPtr domain, const struct libvirt_request *request)
{
        return virDomainAgentSetResponseTimeout(domain, request->agent_seconds, 0);
}

/* 1: the agent's channel is open in the guest, 0: it is not, or there is none. */
static int channel_is_connected(virDomainPtr domain, struct libvirt_request *request)
{
        int active = virDomainIsActive(domain);
        if (active != 1)
                return active;
        _cleanup_free_ char *xml = virDomainGetXMLDesc(domain, 0);
        enum agent_channel channel;
        if (!xml || domain_live_agent_channel(xml, strlen(xml), &channel, &request->error) < 0)
                return -1;
        return channel == AGENT_CHANNEL_CONNECTED;
}

static int read_agent_state(virConnectPtr connection _unused_, virDomainPtr domain,
                            struct libvirt_request *request)
{
        int connected = channel_is_connected(domain, request);
        if (connected < 0)
                return -1;
        request->agent = AGENT_ABSENT;
        if (!connected)
                return 0;
        if (set_timeout(domain, request) < 0)
                return -1;
        _cleanup_free_ char *reply = virDomainQemuAgentCommand(
                domain, "{\"execute\":\"guest-ping\"}", request->agent_seconds, 0);
        enum error_kind kind = reply ? ERROR_INTERNAL : libvirt_error_kind(virGetLastError());
        if (kind == ERROR_UNREACHABLE || kind == ERROR_AUTH)
                return -1;
        request->agent = reply ? AGENT_ANSWERS : AGENT_MUTE;
        return 0;
}

int libvirt_ssh_agent_state(struct hypervisor *hypervisor, const char *uuid, enum agent_state *ret,
                            struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_agent_state, "asking the guest agent", uuid);
        if (libvirt_ssh_agent_call(hypervisor, request, err) < 0)
                return -1;
        *ret = request->agent;
        return 0;
}

static int read_freeze_status(virConnectPtr connection _unused_, virDomainPtr domain,
                              struct libvirt_request *request)
{
        if (set_timeout(domain, request) < 0)
                return -1;
        request->text = virDomainQemuAgentCommand(domain, "{\"execute\":\"guest-fsfreeze-status\"}",
                                                  request->agent_seconds, 0);
        return request->text ? 0 : -1;
}

/* Parses {"return":"frozen"}. The guest is not trusted: any other form is an error. */
static int parse_status(const char *reply, enum fsfreeze_status *ret, struct error **err)
{
        size_t length = strnlen(reply, MAX_REPLY_BYTES + 1);
        _cleanup_json_ json_t *json =
                length <= MAX_REPLY_BYTES ? json_loadb(reply, length, JSON_REJECT_DUPLICATES, NULL)
                                          : NULL;
        const char *word = NULL;
        if (!json || json_unpack(json, "{s:s}", "return", &word) < 0)
                return error_set(err, ERROR_CORRUPT,
                                 "the guest agent's answer is not a freeze status");
        if (strcmp(word, "frozen") != 0 && strcmp(word, "thawed") != 0)
                return error_set(err, ERROR_CORRUPT,
                                 "the guest agent's freeze status is neither frozen nor thawed");
        *ret = strcmp(word, "frozen") == 0 ? FSFREEZE_FROZEN : FSFREEZE_THAWED;
        return 0;
}

int libvirt_ssh_fsfreeze_status(struct hypervisor *hypervisor, const char *uuid,
                                enum fsfreeze_status *ret, struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(read_freeze_status, "reading the freeze status", uuid);
        if (libvirt_ssh_agent_call(hypervisor, request, err) < 0)
                return -1;
        if (parse_status(request->text, ret, err) < 0)
                return error_prefix(err, "%s: VM %s", hypervisor->name, uuid);
        return 0;
}

static int do_freeze(virConnectPtr connection _unused_, virDomainPtr domain,
                     struct libvirt_request *request)
{
        if (set_timeout(domain, request) < 0)
                return -1;
        request->number = virDomainFSFreeze(domain, NULL, 0, 0);
        return request->number < 0 ? -1 : 0;
}

static int do_thaw(virConnectPtr connection _unused_, virDomainPtr domain,
                   struct libvirt_request *request)
{
        if (set_timeout(domain, request) < 0)
                return -1;
        request->number = virDomainFSThaw(domain, NULL, 0, 0);
        return request->number < 0 ? -1 : 0;
}

static int count_filesystems(struct hypervisor *hypervisor, libvirt_function *function,
                             const char *doing, const char *uuid, int *ret_filesystems,
                             struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(function, doing, uuid);
        if (libvirt_ssh_agent_call(hypervisor, request, err) < 0)
                return -1;
        if (ret_filesystems)
                *ret_filesystems = request->number;
        return 0;
}

int libvirt_ssh_fsfreeze(struct hypervisor *hypervisor, const char *uuid, int *ret_filesystems,
                         struct error **err)
{
        return count_filesystems(hypervisor, do_freeze, "freezing the filesystems", uuid,
                                 ret_filesystems, err);
}

int libvirt_ssh_fsthaw(struct hypervisor *hypervisor, const char *uuid, int *ret_filesystems,
                       struct error **err)
{
        return count_filesystems(hypervisor, do_thaw, "thawing the filesystems", uuid,
                                 ret_filesystems, err);
}

static int send_command(virConnectPtr connection _unused_, virDomainPtr domain,
                        struct libvirt_request *request)
{
        request->text =
                virDomainQemuAgentCommand(domain, request->command, request->agent_seconds, 0);
        return request->text ? 0 : -1;
}

int libvirt_ssh_agent_command(struct hypervisor *hypervisor, const char *uuid,
                              const char *json_command, int64_t timeout_ms, char **ret_reply,
                              struct error **err)
{
        _cleanup_libvirt_request_ struct libvirt_request *request =
                libvirt_request_new(send_command, "sending a command to the guest agent", uuid);
        request->command = xstrdup(json_command);
        request->agent_seconds = (int)((timeout_ms + 999) / 1000);
        if (libvirt_ssh_agent_call(hypervisor, request, err) < 0)
                return -1;
        *ret_reply = TAKE_PTR(request->text);
        return 0;
}
