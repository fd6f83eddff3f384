"""The device class of a screen. Pure."""

from collector.ids import Device

WIDTH_CLASS_PX = 160
"""Viewport widths are told apart in steps of 160 px: a page's layout seldom changes within one."""


def device_class(viewport_w_px: int, is_coarse: bool, tablet_min_px: int, desktop_min_px: int) -> Device:  # noqa: FBT001 - a fact about the pointer, not a switch
    """Return the class of a viewport of this width, with or without a finger as its main pointer.

    Below `tablet_min_px` it is a phone, below `desktop_min_px` a tablet if the pointer is coarse; anything else, a
    narrow window with a mouse as well as a large touch screen, lays pages out as a desktop does.
    """
    if viewport_w_px < tablet_min_px:
        return Device.PHONE
    if viewport_w_px < desktop_min_px and is_coarse:
        return Device.TABLET
    return Device.DESKTOP


def width_class(viewport_w_px: int) -> int:
    """Return the class of widths that share one stored layout; fits a smallint."""
    return min(viewport_w_px // WIDTH_CLASS_PX, 32_767)
