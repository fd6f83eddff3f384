add_action( 'wp_enqueue_scripts', function () {
	wp_enqueue_script( 'jalki', 'https://stats.example.org/s/KEY.js', array(), null, array( 'strategy' => 'async' ) );
} );
// Optimisers would delay it until the visitor moves, or serve a copy from here, which cannot find its collector.
$lists = array(
	'rocket_delay_js_exclusions', 'rocket_exclude_defer_js', 'rocket_minify_excluded_external_js',
	'perfmatters_delay_js_exclusions', 'perfmatters_minify_js_exclusions',
	'litespeed_optimize_js_excludes', 'litespeed_optm_js_defer_exc',
);
foreach ( $lists as $list ) {
	add_filter( $list, function ( $scripts ) {
		$scripts[] = 'stats.example.org/s/';
		return $scripts;
	} );
}
