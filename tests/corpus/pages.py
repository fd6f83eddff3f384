"""The corpus: pages that others wrote and ship built, and what a script presses on each.

The truth of a press is the element that its selector names: a person would say that this one was pressed, whatever icon
or text inside it lies under the pointer.
"""

from dataclasses import dataclass

from .visitor import Means, Press, Step, Type, Wheel


@dataclass(frozen=True, slots=True)
class CorpusPage:
    """A page below js/node_modules."""

    name: str
    path: str
    holds: str
    """What makes it worth trying."""
    ready: str
    """A selector that matches once the page has built itself."""
    steady: Press
    """What may be pressed by any means at any time."""
    steps: tuple[Step, ...]
    means: tuple[Means, ...] = (Means.MIDDLE, Means.SECONDARY, Means.MODIFIED, Means.KEYBOARD)
    """By which others `steady` is pressed."""


ARTICLE = CorpusPage(
    name="article",
    path="uikit/tests/article.html",
    holds="a long article",
    ready="article",
    steady=Press("a.uk-button-text >> nth=0"),
    steps=(
        Press(".uk-article-title a >> nth=1", (0.3, 0.5)),
        Press(".uk-article-meta a >> nth=4", (0.8, 0.4)),
        Press("a.uk-button-text >> nth=3"),
        Press("article p >> nth=4", (0.1, 0.2)),
        Press(".uk-article-title a >> nth=5", (0.9, 0.9)),
    ),
)
STICKY = CorpusPage(
    name="sticky",
    path="uikit/tests/sticky-navbar.html",
    holds="sticky headers with menus",
    ready="a[aria-expanded]",
    steady=Press("a.uk-logo >> nth=0"),
    steps=(
        Press("a.uk-logo >> nth=0", (0.2, 0.3)),
        Press("a.uk-navbar-toggle >> nth=2"),
        Press("a.uk-logo >> nth=3"),
        Wheel("a.uk-logo >> nth=3", 120),
        Press("a.uk-logo >> nth=5", (0.7, 0.7)),
    ),
)
SLIDER = CorpusPage(
    name="slider",
    path="uikit/tests/slider.html",
    holds="carousels",
    ready="a.uk-slidenav-next",
    steady=Press(".uk-dotnav a >> nth=2"),
    steps=(
        Press("a.uk-slidenav-next >> nth=0"),
        Press("a.uk-slidenav-next >> nth=0", (0.2, 0.8)),
        Press(".uk-dotnav a >> nth=4"),
        Press("a.uk-slidenav-previous >> nth=0"),
        Press("h3 >> nth=0", (0.02, 0.5)),
    ),
)
MODAL = CorpusPage(
    name="modal",
    path="uikit/tests/modal.html",
    holds="dialogs, and a scroller inside one",
    ready="#js-modal-confirm",
    steady=Press("button.uk-button-default >> nth=0"),
    steps=(
        Press("a[href='#modal-overflow']", (0.3, 0.6)),
        Press("#modal-overflow .uk-modal-title", (0.05, 0.5)),
        Wheel("#modal-overflow .uk-modal-body", 300),
        Press("#modal-overflow .uk-modal-body p >> nth=3", (0.4, 0.3)),
        Press("#modal-overflow button.uk-modal-close-default"),
        Press("#js-modal-confirm", (0.8, 0.2)),
        Press(".uk-modal-dialog .uk-button-primary:visible"),
        Press("a[href='#modal-sections']"),
        Press("#modal-sections button.uk-button-default"),
    ),
    # Its buttons answer the Enter key by a click of their own script, which cannot be told from other scripts' clicks.
    means=(Means.MIDDLE, Means.SECONDARY, Means.MODIFIED),
)
COUNTDOWN = CorpusPage(
    name="countdown",
    path="uikit/tests/countdown.html",
    holds="clocks that tick each second",
    ready=".uk-countdown-days:has-text('0')",
    steady=Press("table a", (0.5, 0.4)),
    steps=(
        Press(".uk-countdown-separator >> nth=0"),
        Press(".uk-countdown-separator >> nth=4"),
        Press("h2 >> nth=2", (0.01, 0.4)),
        Press("table a", (0.5, 0.4)),
    ),
)
FORM = CorpusPage(
    name="form",
    path="uikit/tests/form.html",
    holds="a form with every kind of field",
    ready="#form-h-text",
    steady=Press("button.uk-button >> nth=0"),
    steps=(
        Press("#form-h-text", (0.2, 0.5)),
        Type("4111 1111 1111 1111"),
        Press("label:has(input[name=radio1]) >> nth=1", (0.9, 0.5)),
        Press("input.uk-checkbox >> nth=0"),
        # On a phone the browser scrolls between the touch and the click, to show the field that got the focus.
        Press("#form-h-textarea", (0.5, 0.3), is_wide_only=True),
        Press("label[for=form-h-text]", (0.1, 0.5)),
    ),
)
SWITCHER = CorpusPage(
    name="switcher",
    path="uikit/tests/switcher.html",
    holds="tabs and panels that change places",
    ready="a[role=tab]",
    steady=Press("button[role=tab] >> nth=0"),
    steps=(
        Press("a:has-text('Switch to tab 3') >> nth=0"),
        Press("a[role=tab] >> nth=1"),
        Press("button[role=tab] >> nth=1", (0.2, 0.2)),
        Press("a[role=tab] >> nth=7"),
        Press("h3 >> nth=1", (0.05, 0.5)),
    ),
)
TYPOGRAPHY = CorpusPage(
    name="typography",
    path="spectre.css/docs/elements/typography.html",
    holds="documentation with a fixed sidebar that scrolls by itself",
    ready="#typography",
    steady=Press("a:has-text('MIT License')"),
    steps=(
        Press("label.accordion-header >> nth=2", (0.3, 0.5), is_wide_only=True),
        Press(".docs-nav a >> nth=7", is_wide_only=True),
        Press("h1 >> nth=0", (0.05, 0.5)),
        Press("blockquote p >> nth=0", (0.1, 0.5)),
        Press("h6 >> nth=0", (0.05, 0.5)),
        Press("a:has-text('MIT License')"),
    ),
)
CAROUSEL = CorpusPage(
    name="carousel",
    path="spectre.css/docs/experimentals/carousels.html",
    holds="a carousel of labels and radio buttons without any script",
    ready=".carousel",
    steady=Press("a:has-text('MIT License')"),
    steps=(
        Press("label.item-next >> nth=0"),
        Press("label.item-next >> nth=1"),
        Press("label.nav-item >> nth=3"),
        Press("label.nav-item >> nth=0", (0.2, 0.8)),
        Press("pre.code", (0.05, 0.5)),
    ),
)
MILLIGRAM = CorpusPage(
    name="milligram",
    path="milligram/example.html",
    holds="a long page with a table of contents",
    ready="h1.title",
    steady=Press("footer a >> nth=0"),
    steps=(
        Press("a.navigation-link >> nth=0"),
        Press("a.popover-link >> nth=3", (0.6, 0.5)),
        Press("h5.title >> nth=1", (0.02, 0.5)),
        Press("footer a >> nth=0"),
    ),
)
WIDGETS = CorpusPage(
    name="widgets",
    path="jquery-ui-dist/index.html",
    holds="a stepper, a calendar, a slider, tabs, a dialog, menus",
    ready="#spinner.ui-spinner-input",
    steady=Press("#button"),
    steps=(
        Press("h3.ui-accordion-header >> nth=1", (0.2, 0.5)),
        Press("label[for=radio3]"),
        Press(".ui-spinner-up >> nth=1"),
        Press(".ui-spinner-up >> nth=1", (0.3, 0.3)),
        Press("#tabs a >> nth=1", (0.4, 0.5)),
        Press("#dialog-link", (0.2, 0.5)),
        Press(".ui-dialog-buttonset button >> nth=0"),
        Press(".ui-datepicker-calendar a >> nth=9"),
        Press("#menu > li:nth-child(2) > div", (0.2, 0.5)),
        Press("#button-icon"),
    ),
)
ARROWS = CorpusPage(
    name="arrows",
    path=WIDGETS.path,
    holds="links without an address, which only a script makes links",
    ready=WIDGETS.ready,
    steady=WIDGETS.steady,
    steps=(Press("a.ui-datepicker-next"), Press("a.ui-datepicker-prev")),
)
TODO = CorpusPage(
    name="todo",
    path="mithril/examples/todomvc/index.html",
    holds="an application with routes",
    ready="#new-todo",
    steady=Press("#info a"),
    steps=(
        Press("#new-todo", (0.3, 0.5)),
        Type("water the tea\npour the tea\ndrink it\n"),
        Press("#todo-list li:nth-child(2) .toggle"),
        Press("#filters a >> nth=1"),
        Press("#todo-list li:nth-child(2) label", (0.1, 0.5)),
        Press("#filters a >> nth=2"),
        Press("#filters a >> nth=0"),
        Press("#clear-completed"),
    ),
)
EDITOR = CorpusPage(
    name="editor",
    path="ckeditor4/samples/index.html",
    holds="an editor whose text lies in a frame",
    ready="iframe.cke_wysiwyg_frame",
    steady=Press("main a:has-text('JavaScript API')"),
    steps=(
        Press("a.cke_button__bold"),
        # In text that can be edited the whole field is what was pressed, as in any other field.
        Press("body", (0.1, 0.3), frame="iframe.cke_wysiwyg_frame"),
        Type("between us "),
        Press("body", (0.05, 0.8), frame="iframe.cke_wysiwyg_frame"),
        Press("a.cke_button__table"),
        Press(".cke_dialog a.cke_dialog_ui_button_cancel >> visible=true"),
        Press("#sample-customize h2", (0.02, 0.5)),
    ),
)
COMPONENTS = CorpusPage(
    name="components",
    path="@polymer/paper-dialog/demo/index.html",
    holds="web components, whose parts lie in shadow roots",
    ready="paper-button[role=button]",
    steady=Press("paper-button:has-text('size')"),
    steps=(
        Press("paper-button:has-text('modal dialog')", (0.2, 0.5)),
        # On a narrow screen the dialogs go on moving after they have come.
        Press("#modal paper-button", is_wide_only=True),
        Press("paper-button:has-text('dialog with actions')", is_wide_only=True),
        Press("#actions paper-button:has-text('accept')", is_wide_only=True),
    ),
    means=(Means.MIDDLE, Means.SECONDARY),
)
SLIDES = CorpusPage(
    name="slides",
    path="reveal.js/demo.html",
    holds="slides that are scaled, and routes in the fragment",
    ready=".reveal.ready",
    steady=Press("a:has-text('contributors')"),
    # The slides go on moving after they have come: what is pressed is what stands on the first.
    steps=(Press("a:has-text('Hakim')", (0.3, 0.5)),),
)

PAGES = (
    ARTICLE,
    STICKY,
    SLIDER,
    MODAL,
    COUNTDOWN,
    FORM,
    SWITCHER,
    TYPOGRAPHY,
    CAROUSEL,
    MILLIGRAM,
    WIDGETS,
    TODO,
    EDITOR,
    COMPONENTS,
    SLIDES,
)
