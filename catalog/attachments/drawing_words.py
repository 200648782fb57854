"""What a drawing may consist of: elements, attributes, and the functions that a style may call.

A list of what is harmless: what a browser learns to run or to fetch some day is not in it.
"""

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SVG: Final = "http://www.w3.org/2000/svg"
XLINK: Final = "http://www.w3.org/1999/xlink"
XML: Final = "http://www.w3.org/XML/1998/namespace"
NOTES: Final = _words("""
    http://www.w3.org/1999/02/22-rdf-syntax-ns# http://creativecommons.org/ns#
    http://web.resource.org/cc/ http://purl.org/dc/elements/1.1/ http://purl.org/dc/terms/
    http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd
    http://www.inkscape.org/namespaces/inkscape http://www.bohemiancoding.com/sketch/ns
    http://www.serif.com/ http://www.figma.com/figma/ns
""")
"""Where editors keep what they know of a drawing; no browser reads any of it."""

ELEMENTS: Final = _words("""
    svg g defs symbol use switch title desc metadata view a style
    path rect circle ellipse line polyline polygon image
    text tspan textPath tref flowRoot flowRegion flowPara flowSpan flowDiv
    linearGradient radialGradient stop pattern marker clipPath mask filter
    feBlend feColorMatrix feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting
    feDisplacementMap feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR
    feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset fePointLight
    feSpecularLighting feSpotLight feTile feTurbulence
    animate animateTransform animateMotion animateColor set mpath
""")
"""Elements of SVG that draw, name or move something."""

ATTRIBUTES: Final = _words("""
    id class lang tabindex role version baseProfile contentStyleType contentScriptType
    x y z x1 y1 x2 y2 cx cy r rx ry fx fy fr dx dy width height d points pathLength rotate
    textLength lengthAdjust startOffset method spacing side viewBox preserveAspectRatio zoomAndPan
    transform patternTransform gradientTransform gradientUnits patternUnits patternContentUnits
    clipPathUnits maskUnits maskContentUnits filterUnits primitiveUnits filterRes spreadMethod
    offset markerWidth markerHeight markerUnits refX refY orient systemLanguage requiredFeatures
    requiredExtensions externalResourcesRequired enable-background media type title target
    in in2 result mode values operator k1 k2 k3 k4 order kernelMatrix divisor bias targetX targetY
    edgeMode preserveAlpha kernelUnitLength surfaceScale diffuseConstant specularConstant
    specularExponent limitingConeAngle azimuth elevation pointsAtX pointsAtY pointsAtZ scale
    xChannelSelector yChannelSelector stdDeviation radius tableValues slope intercept amplitude
    exponent baseFrequency numOctaves seed stitchTiles
    attributeType begin dur end min max restart repeatCount repeatDur fill calcMode keyTimes
    keySplines keyPoints from to by additive accumulate path origin
    alignment-baseline baseline-shift clip clip-path clip-rule color color-interpolation
    color-interpolation-filters color-profile color-rendering cursor direction display
    dominant-baseline fill-opacity fill-rule filter flood-color flood-opacity font font-family
    font-size font-size-adjust font-stretch font-style font-variant font-weight
    glyph-orientation-horizontal glyph-orientation-vertical image-rendering isolation kerning
    letter-spacing lighting-color line-height marker marker-end marker-mid marker-start mask
    mask-type mix-blend-mode opacity overflow paint-order pointer-events shape-rendering
    stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap
    stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-align text-anchor
    text-decoration text-overflow text-rendering transform-origin unicode-bidi vector-effect
    visibility white-space word-spacing writing-mode
""")
INERT: Final = _words("id class lang role title systemLanguage requiredFeatures requiredExtensions")
"""Attributes whose text nothing reads as an address or a style."""
INERT_STARTS: Final = ("data-", "aria-")
OF_XLINK: Final = _words("type role arcrole title show actuate")
OF_XML: Final = _words("space lang id")
ANIMATED: Final = ATTRIBUTES - _words("id class type target attributeType")
"""What an animation may change: never an address, a style or a handler."""

FUNCTIONS: Final = _words("""
    url rgb rgba hsl hsla hwb lab lch oklab oklch color var calc min max clamp
    matrix matrix3d translate translatex translatey translate3d scale scalex scaley scale3d
    rotate rotatex rotatey rotatez rotate3d skew skewx skewy perspective
    blur brightness contrast drop-shadow grayscale hue-rotate invert opacity saturate sepia
    circle ellipse inset polygon path rect cubic-bezier steps
    not is where nth-child nth-last-child nth-of-type nth-last-of-type lang
""")
"""Functions of styles and selectors that fetch nothing; `url` is looked at by itself."""
