// Anywhere in the page.
window.jalki = window.jalki || function () { (jalki.q = jalki.q || []).push(arguments) };
(function () {
  function tell() {
    if (!window.Cookiebot || !Cookiebot.hasResponse) return;
    jalki('consent', Cookiebot.consent.statistics ? 'granted' : 'counting');
  }
  addEventListener('CookiebotOnAccept', tell);
  addEventListener('CookiebotOnDecline', tell);
  tell();
})();
