// After the consent manager's own script in the page.
window.jalki = window.jalki || function () { (jalki.q = jalki.q || []).push(arguments) };
__tcfapi('addEventListener', 2, function (data, isKnown) {
  // While the banner is open nothing is decided.
  if (!isKnown || data.eventStatus === 'cmpuishown') return;
  var given = data.purpose ? data.purpose.consents : {};
  // 1: keep something on the device; 8: measure content; 9: understand audiences.
  jalki('consent', given[1] && given[8] && given[9] ? 'granted' : 'counting');
});
