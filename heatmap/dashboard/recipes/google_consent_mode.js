// Before the consent manager's own script in the page.
window.jalki = window.jalki || function () { (jalki.q = jalki.q || []).push(arguments) };
window.dataLayer = window.dataLayer || [];
(function (push) {
  function hear(entry) {
    // gtag('consent', 'update', {…}); a default is nobody's choice.
    var isChoice = entry && entry[0] === 'consent' && entry[1] === 'update' && entry[2];
    var word = isChoice ? entry[2].analytics_storage : '';
    if (word) jalki('consent', word === 'granted' ? 'granted' : 'counting');
  }
  [].forEach.call(dataLayer, hear);
  dataLayer.push = function () {
    [].forEach.call(arguments, hear);
    return push.apply(dataLayer, arguments);
  };
})(dataLayer.push);
