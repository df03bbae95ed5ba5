//! `examples/historical_kpis`: the columns that are asked for, their values, their schedule.

use super::Example;

const MARTS: [&str; 3] = ["mv_metricas_mensuales", "mv_ranking_asesores", "mv_resumen_ciudades"];

const MONTHLY: &str = "mes solicitudes_creadas solicitudes_aceptadas solicitudes_rechazadas solicitudes_expiradas \
    solicitudes_sin_ofertas tiempo_promedio_cierre_seg ofertas_totales ofertas_ganadoras ofertas_aceptadas \
    precio_promedio_ofertas precio_minimo_ofertas precio_maximo_ofertas tiempo_entrega_promedio garantia_promedio_meses \
    clientes_activos asesores_activos marcas_vehiculos_solicitadas volumen_transaccional_total tasa_aceptacion_pct \
    tasa_conversion_ofertas_pct ofertas_promedio_por_solicitud";

const RANKING: &str = "asesor_id asesor_nombre asesor_email ciudad departamento punto_venta confianza nivel_actual \
    estado_asesor actividad_reciente_pct desempeno_historico_pct ofertas_historicas_total ofertas_ganadoras \
    ofertas_aceptadas_cliente entregas_exitosas tiempo_promedio_respuesta_seg monto_promedio_ofertas volumen_total_ofertas \
    confianza_auditada auditorias_realizadas ultima_auditoria notificaciones_recibidas notificaciones_respondidas \
    tiempo_promedio_respuesta_notif_seg tasa_respuesta_pct tasa_conversion_ofertas_pct tasa_exito_completo_pct \
    ranking_ciudad ranking_nacional percentil_ofertas_ganadoras_ciudad percentil_ofertas_ganadoras_nacional calculado_at";

#[test]
fn history_is_what_the_tables_say() {
    let mut example = Example::of("historical_kpis", "SET example.requests = '5000'");
    example.apply();
    let refreshed = example.refresh(&["--all"]);
    assert_eq!(refreshed, MARTS.map(|name| format!("public.{name} success concurrently")));
    let columns = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attnum > 0 AND attrelid = ";
    let of = |mart: &str| format!("{columns}'{mart}'::regclass");
    let told = example.sql(&[&of(MARTS[0]), &of(MARTS[1]), SIZES, MONTHS, ADVISORS, PLACES, CITIES]);
    let mut told = told.lines();
    assert_eq!((told.next(), told.next()), (Some(MONTHLY), Some(RANKING)));
    assert_eq!(told.collect::<Vec<_>>(), ["24 200 20", "0", "0", "0", "0"]);
    assert_eq!(example.status("freshness"), MARTS.map(|name| format!("{name} fresh")));
    // At one in the morning in Bogota it is six in London's winter; the cities follow the ranking.
    let next = example.status("next_run");
    for (mart, next) in MARTS.iter().zip(&next).take(2) {
        assert!(next.starts_with(mart) && next.ends_with("T06:00:00Z"), "{next}");
    }
    assert_eq!(next[2], "mv_resumen_ciudades null");
}

const SIZES: &str = "SELECT (SELECT count(*) FROM mv_metricas_mensuales), (SELECT count(*) FROM mv_ranking_asesores), \
    (SELECT count(*) FROM mv_resumen_ciudades)";

/// Each month once more, by its name on Bogota's clock.
const MONTHS: &str = "
    SELECT count(*) FROM mv_metricas_mensuales AS m
    CROSS JOIN LATERAL (
        SELECT count(*) AS n, sum((estado = 'ACEPTADA')::int) AS aceptadas, sum((estado = 'RECHAZADA')::int) AS rechazadas,
               sum((estado = 'EXPIRADA')::int) AS expiradas, sum((NOT EXISTS (SELECT FROM ofertas AS o WHERE o.solicitud_id = s.id) AND cerrada_at IS NOT NULL)::int) AS sin_ofertas,
               avg(extract(epoch FROM cerrada_at) - extract(epoch FROM created_at)) AS cierre, cardinality(array_agg(DISTINCT cliente_id)) AS clientes,
               cardinality(array_agg(DISTINCT marca_vehiculo)) AS marcas
        FROM solicitudes AS s
        WHERE to_char(created_at AT TIME ZONE 'America/Bogota', 'YYYY-MM-01') = m.mes::text
    ) AS s
    CROSS JOIN LATERAL (
        SELECT count(*) AS n, sum(ganadora::int) AS ganadoras, sum((o.estado = 'ACEPTADA')::int) AS aceptadas, avg(precio) AS precio, min(precio) AS minimo,
               max(precio) AS maximo, avg(tiempo_entrega_dias) AS entrega, avg(garantia_meses) AS garantia, cardinality(array_agg(DISTINCT asesor_id)) AS asesores,
               sum(CASE WHEN o.estado = 'ACEPTADA' THEN precio ELSE 0 END) AS volumen
        FROM ofertas AS o
        WHERE o.solicitud_id IN (SELECT id FROM solicitudes WHERE to_char(created_at AT TIME ZONE 'America/Bogota', 'YYYY-MM-01') = m.mes::text)
    ) AS o
    WHERE (m.solicitudes_creadas, m.solicitudes_aceptadas, m.solicitudes_rechazadas, m.solicitudes_expiradas, m.solicitudes_sin_ofertas, m.clientes_activos,
           m.marcas_vehiculos_solicitadas, m.ofertas_totales, m.ofertas_ganadoras, m.ofertas_aceptadas, m.precio_minimo_ofertas, m.precio_maximo_ofertas,
           m.asesores_activos, m.volumen_transaccional_total)
          IS DISTINCT FROM (s.n, s.aceptadas, s.rechazadas, s.expiradas, s.sin_ofertas, s.clientes, s.marcas, o.n, o.ganadoras, o.aceptadas, o.minimo, o.maximo, o.asesores, o.volumen)
       OR abs(m.tiempo_promedio_cierre_seg - s.cierre) > 0.051 OR abs(m.precio_promedio_ofertas - o.precio) > 0.0051
       OR abs(m.tiempo_entrega_promedio - o.entrega) > 0.0051 OR abs(m.garantia_promedio_meses - o.garantia) > 0.0051
       OR abs(m.tasa_aceptacion_pct / 100 * s.n - s.aceptadas) > 0.0001 * s.n OR abs(m.tasa_conversion_ofertas_pct / 100 * o.n - o.aceptadas) > 0.0001 * o.n
       OR abs(m.ofertas_promedio_por_solicitud * s.n - o.n) > 0.0051 * s.n";

/// Each advisor once more, in the thirty days before it was computed.
const ADVISORS: &str = "
    SELECT count(*) FROM asesores AS a
    JOIN usuarios AS u ON u.id = a.usuario_id
    FULL JOIN mv_ranking_asesores AS m ON m.asesor_id = a.id
    LEFT JOIN LATERAL (
        SELECT count(*) AS n, coalesce(sum(o.ganadora::int), 0) AS ganadoras, coalesce(sum((o.estado = 'ACEPTADA')::int), 0) AS aceptadas,
               coalesce(sum(o.entrega_exitosa::int), 0) AS entregas, coalesce(sum(precio), 0) AS volumen, avg(precio) AS monto,
               avg(extract(epoch FROM o.created_at) - extract(epoch FROM (SELECT created_at FROM solicitudes AS s WHERE s.id = o.solicitud_id))) AS respuesta
        FROM ofertas AS o WHERE o.asesor_id = a.id AND m.calculado_at - o.created_at <= interval '30 days'
    ) AS o ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS n, coalesce(sum((respondida_at IS NOT NULL)::int), 0) AS respondidas
        FROM notificaciones AS n WHERE n.asesor_id = a.id AND m.calculado_at - n.enviada_at <= interval '30 days'
    ) AS n ON true
    WHERE (m.asesor_nombre, m.asesor_email, m.ciudad, m.departamento, m.punto_venta, m.confianza, m.nivel_actual, m.estado_asesor, m.actividad_reciente_pct, m.desempeno_historico_pct)
              IS DISTINCT FROM (u.nombre, u.email, a.ciudad, a.departamento, a.punto_venta, a.confianza, a.nivel_actual, a.estado, a.actividad_reciente_pct, a.desempeno_historico_pct)
       OR (m.ofertas_historicas_total, m.ofertas_ganadoras, m.ofertas_aceptadas_cliente, m.entregas_exitosas, m.volumen_total_ofertas, m.notificaciones_recibidas, m.notificaciones_respondidas)
              IS DISTINCT FROM (o.n, o.ganadoras, o.aceptadas, o.entregas, o.volumen, n.n, n.respondidas)
       OR m.auditorias_realizadas <> (SELECT count(*) FROM auditorias AS d WHERE d.asesor_id = a.id)
       OR m.ultima_auditoria IS DISTINCT FROM (SELECT fecha FROM auditorias AS d WHERE d.asesor_id = a.id ORDER BY fecha DESC LIMIT 1)
       OR abs(m.confianza_auditada - (SELECT avg(puntaje_confianza) FROM auditorias AS d WHERE d.asesor_id = a.id)) > 0.0051
       OR abs(m.tiempo_promedio_respuesta_seg - o.respuesta) > 0.051 OR abs(m.monto_promedio_ofertas - o.monto) > 0.0051
       OR abs(m.tasa_respuesta_pct * n.n - 100 * n.respondidas) > 0.0051 * n.n OR abs(m.tasa_conversion_ofertas_pct * o.n - 100 * o.ganadoras) > 0.0051 * o.n
       OR abs(m.tasa_exito_completo_pct * o.n - 100 * o.entregas) > 0.0051 * o.n";

/// A place is one behind those who are better; a percentile counts those who won less.
const PLACES: &str = "
    SELECT count(*) FROM mv_ranking_asesores AS m
    CROSS JOIN LATERAL (
        SELECT sum((r.mejor AND x.ciudad = m.ciudad)::int) AS mejores_ciudad, sum(r.mejor::int) AS mejores, sum((x.ciudad = m.ciudad)::int) AS en_ciudad, count(*) AS todos,
               sum((x.ofertas_ganadoras < m.ofertas_ganadoras AND x.ciudad = m.ciudad)::int) AS menos_ciudad, sum((x.ofertas_ganadoras < m.ofertas_ganadoras)::int) AS menos
        FROM mv_ranking_asesores AS x
        CROSS JOIN LATERAL (SELECT x.ofertas_ganadoras > m.ofertas_ganadoras OR x.ofertas_ganadoras = m.ofertas_ganadoras AND x.volumen_total_ofertas > m.volumen_total_ofertas) AS r (mejor)
    ) AS x
    WHERE m.ranking_ciudad <> 1 + x.mejores_ciudad OR m.ranking_nacional <> 1 + x.mejores
       OR abs(m.percentil_ofertas_ganadoras_nacional - 100.0 * x.menos / (x.todos - 1)) > 0.0051
       OR abs(m.percentil_ofertas_ganadoras_ciudad - coalesce(100.0 * x.menos_ciudad / nullif(x.en_ciudad - 1, 0), 0)) > 0.0051";

const CITIES: &str = "
    SELECT count(*) FROM mv_resumen_ciudades AS m
    FULL JOIN (
        SELECT ciudad, count(*) AS n, sum((estado_asesor = 'ACTIVO')::int) AS activos, sum(ofertas_historicas_total) AS ofertas, sum(ofertas_ganadoras) AS ganadoras,
               sum(volumen_total_ofertas) AS volumen, 100.0 * sum(notificaciones_respondidas) / sum(notificaciones_recibidas) AS respuesta
        FROM mv_ranking_asesores GROUP BY ciudad
    ) AS r USING (ciudad)
    WHERE (m.asesores, m.asesores_activos, m.ofertas_totales, m.ofertas_ganadoras, m.volumen_total_ofertas) IS DISTINCT FROM (r.n, r.activos, r.ofertas, r.ganadoras, r.volumen)
       OR abs(m.tasa_respuesta_pct - r.respuesta) > 0.0051
       OR m.mejor_asesor NOT IN (SELECT asesor_nombre FROM mv_ranking_asesores AS a WHERE a.ciudad = m.ciudad AND ranking_ciudad = 1)";
