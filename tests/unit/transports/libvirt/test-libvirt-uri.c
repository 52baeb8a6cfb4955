/* URIs that verify the host, whatever is in their parts. */
#include <criterion/criterion.h>

#include "transports/libvirt/libvirt-uri.h"

static void assert_uri(const struct ssh_target *target, const char *wanted)
{
        _cleanup_free_ char *uri = libvirt_uri_of_libssh(target);
        cr_assert_str_eq(uri, wanted);
}

Test(libvirt_uri, verifies_the_host_and_uses_one_key)
{
        struct ssh_target target = { "10.0.0.11", 2222, "root", "/etc/orch/ssh/id_ed25519",
                                     "/etc/orch/ssh/known_hosts" };
        assert_uri(&target, "qemu+libssh://root@10.0.0.11:2222/"
                            "system?known_hosts=%2Fetc%2Forch%2Fssh%2Fknown_hosts"
                            "&known_hosts_verify=normal&sshauth=privkey&keyfile=%2Fetc%2Forch%"
                            "2Fssh%2Fid_ed25519&proxy=auto");
}

Test(libvirt_uri, encodes_what_would_change_its_meaning)
{
        struct ssh_target target = { "fe80::1", 22, "a@b:c", "/k&x=1#y", "/my keys/100%?" };
        assert_uri(
                &target,
                "qemu+libssh://a%40b%3Ac@[fe80::1]:22/system?known_hosts=%2Fmy%20keys%2F100%25%3F"
                "&known_hosts_verify=normal&sshauth=privkey&keyfile=%2Fk%26x%3D1%23y&proxy=auto");
}

Test(libvirt_uri, names_the_socket_of_a_tunnel)
{
        _cleanup_free_ char *uri = libvirt_uri_of_tunnel("/tmp/orch-a b/libvirt");
        cr_assert_str_eq(uri, "qemu+unix:///system?socket=%2Ftmp%2Forch-a%20b%2Flibvirt");
}
