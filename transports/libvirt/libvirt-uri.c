/* Implements transports/libvirt/libvirt-uri.h (RFC 3986: everything but unreserved characters is
 * percent-encoded, in paths also '/'). */
#include "transports/libvirt/libvirt-uri.h"

#include <string.h>

#include "base/strings.h"

static void add_encoded(struct strbuf *uri, const char *text)
{
        static const char unreserved[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
        for (const char *c = text; *c; c++) {
                if (strchr(unreserved, *c))
                        strbuf_add_char(uri, *c);
                else
                        strbuf_addf(uri, "%%%02X", (unsigned char)*c);
        }
}

/* A literal IPv6 address goes in brackets. */
static void add_uri_host(struct strbuf *uri, const char *address)
{
        if (strchr(address, ':'))
                strbuf_addf(uri, "[%s]", address);
        else
                add_encoded(uri, address);
}

char *libvirt_uri_of_tunnel(const char *path)
{
        struct strbuf uri = { 0 };
        strbuf_add(&uri, "qemu+unix:///system?socket=");
        add_encoded(&uri, path);
        return strbuf_take(&uri);
}

char *libvirt_uri_of_libssh(const struct ssh_target *target)
{
        struct strbuf uri = { 0 };
        strbuf_add(&uri, "qemu+libssh://");
        add_encoded(&uri, target->user);
        strbuf_add_char(&uri, '@');
        add_uri_host(&uri, target->address);
        strbuf_addf(&uri, ":%u/system?known_hosts=", target->port);
        add_encoded(&uri, target->known_hosts);
        strbuf_add(&uri, "&known_hosts_verify=normal&sshauth=privkey&keyfile=");
        add_encoded(&uri, target->key);
        strbuf_add(&uri, "&proxy=auto");
        return strbuf_take(&uri);
}
