"""A real RTSP server, run by the system's Python, which has GStreamer's bindings: rtsp_server.py PORT [options]."""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("port")
parser.add_argument("--size", default="160x120")
parser.add_argument("--fps", type=int, default=15)
parser.add_argument("--frames", help="a pattern of JPEG files, such as clip/%%05d.jpg, to be played in a loop")
parser.add_argument("--user")
parser.add_argument("--password")
options = parser.parse_args()
width, height = options.size.split("x")
if options.frames:
    files = f'multifilesrc location="{options.frames}" loop=true caps=image/jpeg,framerate={options.fps}/1'
    pictures = f"{files} ! jpegdec ! identity sync=true ! videoconvert ! video/x-raw,format=I420"
else:
    pictures = f"videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height}"
    pictures += f",framerate={options.fps}/1"
coded = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96"
stream = f"{pictures} ! {coded} config-interval=1"

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(options.port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"( {stream} )")
factory.set_shared(True)
if options.user:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(options.user, options.password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/live", factory)
if not server.attach(None):
    sys.exit("cannot listen")
print("ready", flush=True)  # noqa: T201
GLib.MainLoop().run()
