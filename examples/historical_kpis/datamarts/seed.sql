-- A marketplace for car parts: clients ask, advisors in 20 cities offer, one offer wins, the client accepts it or not.
-- Run once, when the embedded database is created: 24 months up to now, 200 advisors, 40,000 requests.
-- The same rows every time, relative to the moment: every "random" number is a hash of the row's own number.
-- SET example.requests = '4000' before it makes a smaller one.

SET TimeZone = 'America/Bogota';

CREATE FUNCTION noise(row_number bigint, salt integer) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(row_number, salt) & 9007199254740991)::double precision / 9007199254740992;
COMMENT ON FUNCTION noise IS 'Between 0 and 1, the same for the same arguments';

CREATE TABLE usuarios (
    id     uuid PRIMARY KEY,
    nombre text NOT NULL,
    email  text NOT NULL UNIQUE
);

CREATE TABLE asesores (
    id                       uuid PRIMARY KEY,
    usuario_id               uuid NOT NULL REFERENCES usuarios,
    ciudad                   text NOT NULL,
    departamento             text NOT NULL,
    punto_venta              text NOT NULL,
    confianza                numeric(3, 2) NOT NULL CHECK (confianza BETWEEN 1 AND 5),
    nivel_actual             integer NOT NULL CHECK (nivel_actual BETWEEN 1 AND 4),
    estado                   text NOT NULL CHECK (estado IN ('ACTIVO', 'INACTIVO', 'SUSPENDIDO')),
    actividad_reciente_pct   numeric(5, 2) NOT NULL,
    desempeno_historico_pct  numeric(5, 2) NOT NULL
);

CREATE TABLE clientes (
    id     uuid PRIMARY KEY,
    nombre text NOT NULL,
    ciudad text NOT NULL
);

CREATE TABLE solicitudes (
    id             uuid NOT NULL,
    cliente_id     uuid NOT NULL,
    ciudad         text NOT NULL,
    marca_vehiculo text NOT NULL,
    estado         text NOT NULL CHECK (estado IN ('ABIERTA', 'ACEPTADA', 'RECHAZADA', 'EXPIRADA', 'SIN_OFERTAS')),
    created_at     timestamptz NOT NULL,
    cerrada_at     timestamptz
);

CREATE TABLE ofertas (
    id                  uuid NOT NULL,
    solicitud_id        uuid NOT NULL,
    asesor_id           uuid NOT NULL,
    precio              numeric(12, 2) NOT NULL CHECK (precio > 0),
    tiempo_entrega_dias integer NOT NULL,
    garantia_meses      integer NOT NULL,
    ganadora            boolean NOT NULL,
    estado              text NOT NULL CHECK (estado IN ('ENVIADA', 'NO_SELECCIONADA', 'ACEPTADA', 'RECHAZADA', 'EXPIRADA')),
    entrega_exitosa     boolean,
    created_at          timestamptz NOT NULL
);
COMMENT ON COLUMN ofertas.entrega_exitosa IS 'NULL unless the client accepted';

CREATE TABLE auditorias (
    asesor_id         uuid NOT NULL REFERENCES asesores,
    puntaje_confianza numeric(3, 2) NOT NULL CHECK (puntaje_confianza BETWEEN 1 AND 5),
    fecha             timestamptz NOT NULL
);

CREATE TABLE notificaciones (
    solicitud_id   uuid NOT NULL,
    asesor_id      uuid NOT NULL,
    enviada_at     timestamptz NOT NULL,
    respondida_at  timestamptz
);
COMMENT ON TABLE notificaciones IS 'Which advisor was told of which request; kept for 60 days';

CREATE TEMPORARY TABLE ciudades AS
SELECT c.id, c.ciudad, c.departamento
FROM (VALUES (0, 'Bogotá', 'Cundinamarca'), (1, 'Medellín', 'Antioquia'), (2, 'Cali', 'Valle del Cauca'),
             (3, 'Barranquilla', 'Atlántico'), (4, 'Cartagena', 'Bolívar'), (5, 'Bucaramanga', 'Santander'),
             (6, 'Cúcuta', 'Norte de Santander'), (7, 'Pereira', 'Risaralda'), (8, 'Santa Marta', 'Magdalena'),
             (9, 'Ibagué', 'Tolima'), (10, 'Villavicencio', 'Meta'), (11, 'Manizales', 'Caldas'), (12, 'Pasto', 'Nariño'),
             (13, 'Neiva', 'Huila'), (14, 'Montería', 'Córdoba'), (15, 'Armenia', 'Quindío'), (16, 'Valledupar', 'Cesar'),
             (17, 'Sincelejo', 'Sucre'), (18, 'Popayán', 'Cauca'), (19, 'Tunja', 'Boyacá')) AS c (id, ciudad, departamento);

INSERT INTO usuarios
SELECT md5('usuario ' || a)::uuid, g.nombre || ' ' || g.apellido, lower(translate(g.nombre || '.' || g.apellido, 'áéíóúñÁÉÍÓÚÑ', 'aeiounaeioun')) || '.' || a || '@example.com'
FROM generate_series(1, 200) AS a
CROSS JOIN LATERAL (SELECT (ARRAY['Andrés', 'Camila', 'Carlos', 'Daniela', 'Diego', 'Juliana', 'Luis', 'María', 'Natalia', 'Óscar'])
                           [1 + floor(10 * noise(a, 1))::int],
                           (ARRAY['Castro', 'Díaz', 'García', 'Gómez', 'Herrera', 'Muñoz', 'Ortiz', 'Pérez', 'Rojas', 'Torres', 'Vargas', 'Zapata'])
                           [1 + floor(12 * noise(a, 2))::int]) AS g (nombre, apellido);

-- Every city has an advisor; most are in the large ones.
INSERT INTO asesores
SELECT md5('asesor ' || a)::uuid, md5('usuario ' || a)::uuid, c.ciudad, c.departamento, 'Punto ' || c.ciudad || ' ' || a,
       round((1.5 + 3.5 * noise(a, 4) ^ 0.6)::numeric, 2),
       1 + floor(4 * noise(a, 5) ^ 1.4)::int,
       CASE WHEN noise(a, 6) < 0.06 THEN 'INACTIVO' WHEN noise(a, 6) < 0.08 THEN 'SUSPENDIDO' ELSE 'ACTIVO' END,
       round((30 + 70 * noise(a, 7))::numeric, 2),
       round((5 + 60 * noise(a, 8) ^ 2)::numeric, 2)
FROM generate_series(1, 200) AS a
JOIN ciudades AS c ON c.id = CASE WHEN a <= 20 THEN a - 1 ELSE floor(20 * noise(a, 3) ^ 2)::int END;

INSERT INTO clientes
SELECT md5('cliente ' || k)::uuid, 'Cliente ' || k, c.ciudad
FROM generate_series(1, 5000) AS k
JOIN ciudades AS c ON c.id = floor(20 * noise(k, 11) ^ 2)::int;

-- From the first day of the month 23 months ago, ever more of them. Six advisors are told of each; how many offer differs.
CREATE TEMPORARY TABLE pedidos AS
WITH size AS (
    SELECT coalesce(nullif(current_setting('example.requests', true), ''), '40000')::bigint AS n,
           (date_trunc('month', now() AT TIME ZONE 'America/Bogota') - interval '23 months') AT TIME ZONE 'America/Bogota' AS since
)
SELECT s, s / size.n::double precision AS share, md5('solicitud ' || s)::uuid AS id, 1 + floor(5000 * noise(s, 21) ^ 1.5)::bigint AS cliente,
       size.since + (now() - size.since) * (s / size.n::double precision) ^ 0.8 AS created_at,
       CASE WHEN noise(s, 22) < 0.07 THEN 0 ELSE 1 + floor(6 * noise(s, 23) ^ 1.3)::int END AS ofertas,
       noise(s, 24) AS luck,
       interval '1 minute' * floor(30 + 2400 * noise(s, 25) ^ 2) AS cierre
FROM size, generate_series(1, size.n) AS s;

INSERT INTO solicitudes
SELECT p.id, c.id, c.ciudad,
       (ARRAY['Chevrolet', 'Renault', 'Mazda', 'Kia', 'Toyota', 'Nissan', 'Hyundai', 'Ford', 'Volkswagen', 'Suzuki', 'BYD', 'Volvo'])
       [1 + floor((9 + 3 * p.share) * noise(p.s, 26) ^ 1.6)::int],
       CASE WHEN p.created_at + p.cierre > now() THEN 'ABIERTA'
            WHEN p.ofertas = 0 THEN 'SIN_OFERTAS'
            WHEN p.luck < 0.62 THEN 'ACEPTADA'
            WHEN p.luck < 0.82 THEN 'RECHAZADA'
            ELSE 'EXPIRADA' END,
       p.created_at,
       CASE WHEN p.created_at + p.cierre <= now() THEN p.created_at + p.cierre END
FROM pedidos AS p
JOIN clientes AS c ON c.id = md5('cliente ' || p.cliente)::uuid
ORDER BY p.s;

CREATE TEMPORARY TABLE avisos AS
SELECT p.s, p.id AS solicitud_id, j, a.numero, md5('asesor ' || a.numero)::uuid AS asesor_id, j < p.ofertas AS ofrece, p.created_at,
       p.created_at + p.cierre * (0.05 + 0.6 * noise(p.s * 6 + j, 31)) AS respuesta_at
FROM pedidos AS p, generate_series(0, 5) AS j,
     LATERAL (SELECT 1 + (floor(200 * noise(p.s, 32))::int + 37 * j) % 200) AS a (numero);

-- Who is better wins more often.
INSERT INTO ofertas
SELECT md5('oferta ' || o.s || ' ' || o.j)::uuid, o.solicitud_id, o.asesor_id,
       round((40000 + 900000 * noise(o.s, 41) ^ 3 * (0.8 + 0.4 * noise(o.s * 6 + o.j, 42)))::numeric, -2),
       1 + floor(9 * noise(o.s * 6 + o.j, 43) ^ 1.5)::int,
       3 * (1 + floor(8 * noise(o.s * 6 + o.j, 44) ^ 2)::int),
       s.estado <> 'ABIERTA' AND o.place = 1,
       CASE WHEN s.estado = 'ABIERTA' THEN 'ENVIADA' WHEN o.place = 1 THEN s.estado ELSE 'NO_SELECCIONADA' END,
       CASE WHEN s.estado = 'ACEPTADA' AND o.place = 1 THEN noise(o.s, 45) < 0.93 END,
       o.respuesta_at
FROM (
    SELECT a.*, row_number() OVER (PARTITION BY s ORDER BY noise(s * 6 + j, 46) * (0.4 + noise(numero, 8)) DESC) AS place
    FROM avisos AS a
    WHERE ofrece AND respuesta_at <= now()
) AS o
JOIN solicitudes AS s ON s.id = o.solicitud_id;

INSERT INTO notificaciones
SELECT solicitud_id, asesor_id, created_at, CASE WHEN ofrece AND respuesta_at <= now() THEN respuesta_at END
FROM avisos
WHERE created_at >= now() - interval '60 days';

INSERT INTO auditorias
SELECT md5('asesor ' || a)::uuid, round((1.5 + 3.5 * noise(a * 8 + k, 51) ^ 0.6)::numeric, 2),
       now() - interval '1 day' * (10 + 700 * noise(a * 8 + k, 52))
FROM generate_series(1, 200) AS a, generate_series(1, floor(6 * noise(a, 53))::int) AS k;

ALTER TABLE solicitudes ADD PRIMARY KEY (id), ADD FOREIGN KEY (cliente_id) REFERENCES clientes;
ALTER TABLE ofertas
    ADD PRIMARY KEY (id),
    ADD UNIQUE (solicitud_id, asesor_id),
    ADD FOREIGN KEY (solicitud_id) REFERENCES solicitudes,
    ADD FOREIGN KEY (asesor_id) REFERENCES asesores;
ALTER TABLE notificaciones ADD PRIMARY KEY (solicitud_id, asesor_id);
CREATE INDEX ON ofertas (asesor_id, created_at);
CREATE INDEX ON notificaciones (asesor_id, enviada_at);

DROP FUNCTION noise;
DROP TABLE ciudades, pedidos, avisos;
ANALYZE usuarios, asesores, clientes, solicitudes, ofertas, auditorias, notificaciones;
