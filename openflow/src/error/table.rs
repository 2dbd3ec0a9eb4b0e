//! Every error that a switch can answer with, and its numbers in each version.
//!
//! # References
//! The `OFPET_*` chapters of OpenFlow 1.0.2 §5.4.4, 1.1.0 §A.4.4, 1.2 §A.4.4, 1.3.5 §7.4.4,
//! 1.4.1 §7.5.4 and 1.5.1 §7.5.4; the ONF's extensions for 1.3; the Nicira extensions
//! (`ofp-errors.h`).

use super::{Codes, Vendor::NX, Vendor::OF, Vendor::ONF};

macro_rules! ofp_errors {
    ($($name:ident = $text:literal [$($vendor:ident $from:literal $to:literal ($type:literal, $code:literal)),+];)+) => {
        /// An error of the OpenFlow protocol: what a message deserves that cannot be obeyed.
        ///
        /// Names are those of `ovs-ofctl` without their `OFP` and `C`: [`OfpError::name`] gives the
        /// whole one, [`OfpError::codes`] the numbers of a version.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum OfpError { $(#[doc = concat!("`", $text, "`.")] $name,)+ }

        impl OfpError {
            /// Every error. Where a version gives two of them one number, the first is meant.
            pub const ALL: &'static [OfpError] = &[$(OfpError::$name,)+];

            /// The name in `ovs-ofctl`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(OfpError::$name => $text,)+ }
            }

            pub(super) const fn table(self) -> &'static [Codes] {
                match self {
                    $(OfpError::$name => &[$(Codes {
                        vendor: $vendor, minor: ($from, $to), error_type: $type, code: $code,
                    },)+],)+
                }
            }
        }
    };
}

// The two numbers behind the vendor are the first and the last minor version.
ofp_errors! {
HfIncompatible = "OFPHFC_INCOMPATIBLE" [OF 0 5 (0, 0)];
    HfEperm = "OFPHFC_EPERM" [OF 0 5 (0, 1)];
    BrBadVersion = "OFPBRC_BAD_VERSION" [OF 0 5 (1, 0)];
    BrBadType = "OFPBRC_BAD_TYPE" [OF 0 5 (1, 1)];
    BrBadStat = "OFPBRC_BAD_STAT" [OF 0 5 (1, 2)];
    BrBadVendor = "OFPBRC_BAD_VENDOR" [OF 0 5 (1, 3)];
    BrBadSubtype = "OFPBRC_BAD_SUBTYPE" [OF 0 5 (1, 4)];
    BrEperm = "OFPBRC_EPERM" [OF 0 5 (1, 5)];
    BrBadLen = "OFPBRC_BAD_LEN" [OF 0 5 (1, 6)];
    BrBufferEmpty = "OFPBRC_BUFFER_EMPTY" [OF 0 5 (1, 7)];
    BrBufferUnknown = "OFPBRC_BUFFER_UNKNOWN" [OF 0 5 (1, 8)];
    BrBadTableId = "OFPBRC_BAD_TABLE_ID" [NX 0 0 (1, 512), OF 1 5 (1, 9)];
    BrIsSecondary = "OFPBRC_IS_SECONDARY" [OF 0 1 (1, 5), OF 2 5 (1, 10)];
    BrBadPort = "OFPBRC_BAD_PORT" [NX 0 1 (1, 514), OF 2 5 (1, 11)];
    BrBadPacket = "OFPBRC_BAD_PACKET" [OF 2 5 (1, 12)];
    BrMultipartBufferOverflow = "OFPBRC_MULTIPART_BUFFER_OVERFLOW" [OF 3 5 (1, 13)];
    BrMultipartRequestTimeout = "OFPBRC_MULTIPART_REQUEST_TIMEOUT" [ONF 3 3 (2640, 0), OF 4 5 (1, 14)];
    BrMultipartReplyTimeout = "OFPBRC_MULTIPART_REPLY_TIMEOUT" [ONF 3 3 (2641, 0), OF 4 5 (1, 15)];
    BrMultipartBadSched = "OFPBRC_MULTIPART_BAD_SCHED" [OF 5 5 (1, 16)];
    BrPipelineFieldsOnly = "OFPBRC_PIPELINE_FIELDS_ONLY" [OF 5 5 (1, 17)];
    BrUnknown = "OFPBRC_UNKNOWN" [OF 5 5 (1, 18)];
    NxbrNxmInvalid = "NXBRC_NXM_INVALID" [NX 0 1 (1, 256), NX 2 5 (2, 0)];
    NxbrNxmBadType = "NXBRC_NXM_BAD_TYPE" [NX 0 1 (1, 257), NX 2 5 (3, 0)];
    NxbrMustBeZero = "NXBRC_MUST_BE_ZERO" [NX 0 1 (1, 515), NX 2 5 (4, 0)];
    NxbrBadReason = "NXBRC_BAD_REASON" [NX 0 1 (1, 516), NX 2 5 (5, 0)];
    NxbrFmBadEvent = "NXBRC_FM_BAD_EVENT" [NX 0 1 (1, 520), NX 2 5 (9, 0)];
    NxbrUnencodableError = "NXBRC_UNENCODABLE_ERROR" [NX 0 1 (1, 521), NX 2 5 (10, 0)];
    BaBadType = "OFPBAC_BAD_TYPE" [OF 0 5 (2, 0)];
    BaBadLen = "OFPBAC_BAD_LEN" [OF 0 5 (2, 1)];
    BaBadVendor = "OFPBAC_BAD_VENDOR" [OF 0 5 (2, 2)];
    BaBadVendorType = "OFPBAC_BAD_VENDOR_TYPE" [OF 0 5 (2, 3)];
    BaBadOutPort = "OFPBAC_BAD_OUT_PORT" [OF 0 5 (2, 4)];
    BaBadArgument = "OFPBAC_BAD_ARGUMENT" [OF 0 5 (2, 5)];
    BaEperm = "OFPBAC_EPERM" [OF 0 5 (2, 6)];
    BaTooMany = "OFPBAC_TOO_MANY" [OF 0 5 (2, 7)];
    BaBadQueue = "OFPBAC_BAD_QUEUE" [OF 0 5 (2, 8)];
    BaBadOutGroup = "OFPBAC_BAD_OUT_GROUP" [NX 0 0 (2, 9), OF 1 5 (2, 9)];
    BaMatchInconsistent = "OFPBAC_MATCH_INCONSISTENT" [NX 0 0 (1, 522), OF 1 5 (2, 10)];
    BaUnsupportedOrder = "OFPBAC_UNSUPPORTED_ORDER" [OF 1 5 (2, 11)];
    BaBadTag = "OFPBAC_BAD_TAG" [OF 1 5 (2, 12)];
    BaBadSetType = "OFPBAC_BAD_SET_TYPE" [NX 0 1 (1, 523), OF 2 5 (2, 13)];
    BaBadSetLen = "OFPBAC_BAD_SET_LEN" [NX 0 1 (1, 524), OF 2 5 (2, 14)];
    BaBadSetArgument = "OFPBAC_BAD_SET_ARGUMENT" [NX 0 1 (1, 525), OF 2 5 (2, 15)];
    BaBadSetMask = "OFPBAC_BAD_SET_MASK" [ONF 3 4 (4250, 0), OF 5 5 (2, 16)];
    BaBadMeter = "OFPBAC_BAD_METER" [OF 5 5 (2, 17)];
    NxbaMustBeZero = "NXBAC_MUST_BE_ZERO" [NX 0 1 (2, 256), NX 2 5 (11, 0)];
    NxbaBadConjunction = "NXBAC_BAD_CONJUNCTION" [NX 0 1 (2, 526), NX 2 5 (15, 0)];
    NxbaBadHeaderType = "NXBAC_BAD_HEADER_TYPE" [NX 3 5 (39, 0)];
    NxbaUnknownEdProp = "NXBAC_UNKNOWN_ED_PROP" [NX 3 5 (40, 0)];
    NxbaBadEdProp = "NXBAC_BAD_ED_PROP" [NX 3 5 (41, 0)];
    NxbaCtDatapathSupport = "NXBAC_CT_DATAPATH_SUPPORT" [NX 0 1 (1, 265), NX 2 5 (42, 0)];
    BiUnknownInst = "OFPBIC_UNKNOWN_INST" [OF 1 5 (3, 0)];
    BiUnsupInst = "OFPBIC_UNSUP_INST" [NX 0 0 (2, 257), OF 1 5 (3, 1)];
    BiBadTableId = "OFPBIC_BAD_TABLE_ID" [OF 1 5 (3, 2)];
    BiUnsupMetadata = "OFPBIC_UNSUP_METADATA" [OF 1 5 (3, 3)];
    BiUnsupMetadataMask = "OFPBIC_UNSUP_METADATA_MASK" [OF 1 5 (3, 4)];
    BiBadExperimenter = "OFPBIC_BAD_EXPERIMENTER" [OF 1 5 (3, 5)];
    BiBadExpType = "OFPBIC_BAD_EXP_TYPE" [OF 1 1 (3, 5), OF 2 5 (3, 6)];
    BiBadLen = "OFPBIC_BAD_LEN" [OF 2 5 (3, 7)];
    BiEperm = "OFPBIC_EPERM" [OF 2 5 (3, 8)];
    BiDupInst = "OFPBIC_DUP_INST" [NX 1 1 (3, 256), ONF 2 3 (2600, 0), OF 4 5 (3, 9)];
    BmBadType = "OFPBMC_BAD_TYPE" [OF 1 5 (4, 0)];
    BmBadLen = "OFPBMC_BAD_LEN" [OF 1 5 (4, 1)];
    BmBadTag = "OFPBMC_BAD_TAG" [OF 1 5 (4, 2)];
    BmBadDlAddrMask = "OFPBMC_BAD_DL_ADDR_MASK" [OF 1 5 (4, 3)];
    BmBadNwAddrMask = "OFPBMC_BAD_NW_ADDR_MASK" [OF 1 5 (4, 4)];
    BmBadWildcards = "OFPBMC_BAD_WILDCARDS" [NX 0 0 (1, 262), OF 1 5 (4, 5)];
    BmBadField = "OFPBMC_BAD_FIELD" [NX 0 0 (0, 263), OF 1 5 (4, 6)];
    BmBadValue = "OFPBMC_BAD_VALUE" [NX 0 0 (1, 258), OF 1 5 (4, 7)];
    BmBadMask = "OFPBMC_BAD_MASK" [NX 0 1 (1, 259), OF 2 5 (4, 8)];
    BmBadPrereq = "OFPBMC_BAD_PREREQ" [NX 0 1 (1, 260), OF 2 5 (4, 9)];
    BmDupField = "OFPBMC_DUP_FIELD" [NX 0 1 (1, 261), OF 2 5 (4, 10)];
    BmEperm = "OFPBMC_EPERM" [OF 2 5 (4, 11)];
    NxbmCtDatapathSupport = "NXBMC_CT_DATAPATH_SUPPORT" [NX 0 1 (1, 264), NX 2 5 (43, 0)];
    FmfUnknown = "OFPFMFC_UNKNOWN" [OF 1 5 (5, 0)];
    FmfTableFull = "OFPFMFC_TABLE_FULL" [OF 0 0 (3, 0), OF 1 5 (5, 1)];
    FmfBadTableId = "OFPFMFC_BAD_TABLE_ID" [OF 1 5 (5, 2)];
    FmfOverlap = "OFPFMFC_OVERLAP" [OF 0 0 (3, 1), OF 1 5 (5, 3)];
    FmfEperm = "OFPFMFC_EPERM" [OF 0 0 (3, 2), OF 1 5 (5, 4)];
    FmfBadTimeout = "OFPFMFC_BAD_TIMEOUT" [OF 1 5 (5, 5)];
    FmfBadEmergTimeout = "OFPFMFC_BAD_EMERG_TIMEOUT" [OF 0 0 (3, 3)];
    FmfBadCommand = "OFPFMFC_BAD_COMMAND" [OF 0 0 (3, 4), OF 1 5 (5, 6)];
    FmfBadFlags = "OFPFMFC_BAD_FLAGS" [NX 0 0 (3, 258), NX 1 1 (5, 258), OF 2 5 (5, 7)];
    FmfCantSync = "OFPFMFC_CANT_SYNC" [OF 4 5 (5, 8)];
    FmfBadPriority = "OFPFMFC_BAD_PRIORITY" [ONF 3 3 (2360, 0), OF 4 5 (5, 9)];
    FmfIsSync = "OFPFMFC_IS_SYNC" [OF 4 5 (5, 10)];
    FmfUnsupported = "OFPFMFC_UNSUPPORTED" [OF 0 0 (3, 5)];
    NxfmfHardware = "NXFMFC_HARDWARE" [NX 0 1 (5, 256), NX 2 5 (12, 0)];
    NxfmfBadTableId = "NXFMFC_BAD_TABLE_ID" [NX 0 1 (5, 257), NX 2 5 (13, 0)];
    NxfmfInvalidTlvField = "NXFMFC_INVALID_TLV_FIELD" [NX 0 1 (1, 536), NX 2 5 (37, 0)];
    GmfGroupExists = "OFPGMFC_GROUP_EXISTS" [NX 0 0 (6, 0), OF 1 5 (6, 0)];
    GmfInvalidGroup = "OFPGMFC_INVALID_GROUP" [NX 0 0 (6, 1), OF 1 5 (6, 1)];
    GmfWeightUnsupported = "OFPGMFC_WEIGHT_UNSUPPORTED" [NX 0 0 (6, 2), OF 1 5 (6, 2)];
    GmfOutOfGroups = "OFPGMFC_OUT_OF_GROUPS" [NX 0 0 (6, 3), OF 1 5 (6, 3)];
    GmfOutOfBuckets = "OFPGMFC_OUT_OF_BUCKETS" [NX 0 0 (6, 4), OF 1 5 (6, 4)];
    GmfChainingUnsupported = "OFPGMFC_CHAINING_UNSUPPORTED" [NX 0 0 (6, 5), OF 1 5 (6, 5)];
    GmfWatchUnsupported = "OFPGMFC_WATCH_UNSUPPORTED" [NX 0 0 (6, 6), OF 1 5 (6, 6)];
    GmfLoop = "OFPGMFC_LOOP" [NX 0 0 (6, 7), OF 1 5 (6, 7)];
    GmfUnknownGroup = "OFPGMFC_UNKNOWN_GROUP" [NX 0 0 (6, 8), OF 1 5 (6, 8)];
    GmfChainedGroup = "OFPGMFC_CHAINED_GROUP" [NX 0 0 (6, 9), OF 2 5 (6, 9)];
    GmfBadType = "OFPGMFC_BAD_TYPE" [NX 0 0 (6, 10), OF 2 5 (6, 10)];
    GmfBadCommand = "OFPGMFC_BAD_COMMAND" [NX 0 0 (6, 11), OF 2 5 (6, 11)];
    GmfBadBucket = "OFPGMFC_BAD_BUCKET" [NX 0 0 (6, 12), OF 2 5 (6, 12)];
    GmfBadWatch = "OFPGMFC_BAD_WATCH" [NX 0 0 (6, 13), OF 2 5 (6, 13)];
    GmfEperm = "OFPGMFC_EPERM" [NX 0 0 (6, 14), OF 2 5 (6, 14)];
    GmfUnknownBucket = "OFPGMFC_UNKNOWN_BUCKET" [NX 0 0 (6, 15), OF 5 5 (6, 15)];
    GmfBucketExists = "OFPGMFC_BUCKET_EXISTS" [NX 0 0 (6, 16), OF 5 5 (6, 16)];
    PmfBadPort = "OFPPMFC_BAD_PORT" [OF 0 0 (4, 0), OF 1 5 (7, 0)];
    PmfBadHwAddr = "OFPPMFC_BAD_HW_ADDR" [OF 0 0 (4, 1), OF 1 5 (7, 1)];
    PmfBadConfig = "OFPPMFC_BAD_CONFIG" [OF 1 5 (7, 2)];
    PmfBadAdvertise = "OFPPMFC_BAD_ADVERTISE" [OF 1 5 (7, 3)];
    PmfEperm = "OFPPMFC_EPERM" [OF 2 5 (7, 4)];
    TmfBadTable = "OFPTMFC_BAD_TABLE" [OF 1 5 (8, 0)];
    TmfBadConfig = "OFPTMFC_BAD_CONFIG" [OF 1 5 (8, 1)];
    TmfEperm = "OFPTMFC_EPERM" [OF 2 5 (8, 2)];
    QofBadPort = "OFPQOFC_BAD_PORT" [OF 0 0 (5, 0), OF 1 5 (9, 0)];
    QofBadQueue = "OFPQOFC_BAD_QUEUE" [OF 0 0 (5, 1), OF 1 5 (9, 1)];
    QofEperm = "OFPQOFC_EPERM" [OF 0 0 (5, 2), OF 1 5 (9, 2)];
    NxqofQueueError = "NXQOFC_QUEUE_ERROR" [NX 4 5 (23, 0)];
    ScfBadFlags = "OFPSCFC_BAD_FLAGS" [OF 1 5 (10, 0)];
    ScfBadLen = "OFPSCFC_BAD_LEN" [OF 1 5 (10, 1)];
    ScfEperm = "OFPSCFC_EPERM" [OF 2 5 (10, 2)];
    RrfStale = "OFPRRFC_STALE" [OF 2 5 (11, 0)];
    RrfUnsup = "OFPRRFC_UNSUP" [OF 2 5 (11, 1)];
    RrfBadRole = "OFPRRFC_BAD_ROLE" [NX 0 1 (1, 513), OF 2 5 (11, 2)];
    RrfIdUnsup = "OFPRRFC_ID_UNSUP" [OF 5 5 (11, 3)];
    RrfIdInUse = "OFPRRFC_ID_IN_USE" [OF 5 5 (11, 4)];
    MmfUnknown = "OFPMMFC_UNKNOWN" [OF 3 5 (12, 0)];
    MmfMeterExists = "OFPMMFC_METER_EXISTS" [OF 3 5 (12, 1)];
    MmfInvalidMeter = "OFPMMFC_INVALID_METER" [OF 3 5 (12, 2)];
    MmfUnknownMeter = "OFPMMFC_UNKNOWN_METER" [OF 3 5 (12, 3)];
    MmfBadCommand = "OFPMMFC_BAD_COMMAND" [OF 3 5 (12, 4)];
    MmfBadFlags = "OFPMMFC_BAD_FLAGS" [OF 3 5 (12, 5)];
    MmfBadRate = "OFPMMFC_BAD_RATE" [OF 3 5 (12, 6)];
    MmfBadBurst = "OFPMMFC_BAD_BURST" [OF 3 5 (12, 7)];
    MmfBadBand = "OFPMMFC_BAD_BAND" [OF 3 5 (12, 8)];
    MmfBadBandValue = "OFPMMFC_BAD_BAND_VALUE" [OF 3 5 (12, 9)];
    MmfOutOfMeters = "OFPMMFC_OUT_OF_METERS" [OF 3 5 (12, 10)];
    MmfOutOfBands = "OFPMMFC_OUT_OF_BANDS" [OF 3 5 (12, 11)];
    TffBadTable = "OFPTFFC_BAD_TABLE" [OF 3 5 (13, 0)];
    TffBadMetadata = "OFPTFFC_BAD_METADATA" [OF 3 5 (13, 1)];
    TffEperm = "OFPTFFC_EPERM" [OF 3 5 (13, 5)];
    TffBadCapa = "OFPTFFC_BAD_CAPA" [OF 5 5 (13, 6)];
    TffBadMaxEnt = "OFPTFFC_BAD_MAX_ENT" [OF 5 5 (13, 7)];
    TffBadFeatures = "OFPTFFC_BAD_FEATURES" [OF 5 5 (13, 8)];
    TffBadCommand = "OFPTFFC_BAD_COMMAND" [OF 5 5 (13, 9)];
    TffTooMany = "OFPTFFC_TOO_MANY" [OF 5 5 (13, 10)];
    NxtffDupTable = "NXTFFC_DUP_TABLE" [NX 3 5 (44, 0)];
    BpBadType = "OFPBPC_BAD_TYPE" [NX 0 1 (13, 2), NX 2 2 (25, 0), OF 3 3 (13, 2), OF 4 5 (14, 0)];
    BpBadLen = "OFPBPC_BAD_LEN" [NX 0 1 (13, 3), NX 2 2 (26, 0), OF 3 3 (13, 3), OF 4 5 (14, 1)];
    BpBadValue = "OFPBPC_BAD_VALUE" [NX 0 1 (13, 4), NX 2 2 (27, 0), OF 3 3 (13, 4), OF 4 5 (14, 2)];
    BpTooMany = "OFPBPC_TOO_MANY" [NX 0 1 (14, 3), NX 2 2 (28, 0), ONF 3 3 (4443, 0), OF 4 5 (14, 3)];
    BpDupType = "OFPBPC_DUP_TYPE" [NX 0 1 (14, 4), NX 2 2 (29, 0), ONF 3 3 (4444, 0), OF 4 5 (14, 4)];
    BpBadExperimenter = "OFPBPC_BAD_EXPERIMENTER" [NX 0 1 (14, 5), NX 2 2 (30, 0), ONF 3 3 (4445, 0), OF 4 5 (14, 5)];
    BpBadExpType = "OFPBPC_BAD_EXP_TYPE" [NX 0 1 (14, 6), NX 2 2 (31, 0), ONF 3 3 (4446, 0), OF 4 5 (14, 6)];
    BpBadExpValue = "OFPBPC_BAD_EXP_VALUE" [NX 0 1 (14, 7), NX 2 2 (32, 0), ONF 3 3 (4447, 0), OF 4 5 (14, 7)];
    BpEperm = "OFPBPC_EPERM" [NX 0 1 (14, 8), NX 2 2 (33, 0), ONF 3 3 (4448, 0), OF 4 5 (14, 8)];
    AcfInvalid = "OFPACFC_INVALID" [ONF 3 3 (2370, 0), OF 4 5 (15, 0)];
    AcfUnsupported = "OFPACFC_UNSUPPORTED" [ONF 3 3 (2371, 0), OF 4 5 (15, 1)];
    AcfEperm = "OFPACFC_EPERM" [ONF 3 3 (2372, 0), OF 4 5 (15, 2)];
    BfUnknown = "OFPBFC_UNKNOWN" [ONF 3 3 (2300, 0), OF 4 5 (17, 0)];
    BfEperm = "OFPBFC_EPERM" [ONF 3 3 (2301, 0), OF 4 5 (17, 1)];
    BfBadId = "OFPBFC_BAD_ID" [ONF 3 3 (2302, 0), OF 4 5 (17, 2)];
    BfBundleExist = "OFPBFC_BUNDLE_EXIST" [ONF 3 3 (2303, 0), OF 4 5 (17, 3)];
    BfBundleClosed = "OFPBFC_BUNDLE_CLOSED" [ONF 3 3 (2304, 0), OF 4 5 (17, 4)];
    BfOutOfBundles = "OFPBFC_OUT_OF_BUNDLES" [ONF 3 3 (2305, 0), OF 4 5 (17, 5)];
    BfBadType = "OFPBFC_BAD_TYPE" [ONF 3 3 (2306, 0), OF 4 5 (17, 6)];
    BfBadFlags = "OFPBFC_BAD_FLAGS" [ONF 3 3 (2307, 0), OF 4 5 (17, 7)];
    BfMsgBadLen = "OFPBFC_MSG_BAD_LEN" [ONF 3 3 (2308, 0), OF 4 5 (17, 8)];
    BfMsgBadXid = "OFPBFC_MSG_BAD_XID" [ONF 3 3 (2309, 0), OF 4 5 (17, 9)];
    BfMsgUnsup = "OFPBFC_MSG_UNSUP" [ONF 3 3 (2310, 0), OF 4 5 (17, 10)];
    BfMsgConflict = "OFPBFC_MSG_CONFLICT" [ONF 3 3 (2311, 0), OF 4 5 (17, 11)];
    BfMsgTooMany = "OFPBFC_MSG_TOO_MANY" [ONF 3 3 (2312, 0), OF 4 5 (17, 12)];
    BfMsgFailed = "OFPBFC_MSG_FAILED" [ONF 3 3 (2313, 0), OF 4 5 (17, 13)];
    BfTimeout = "OFPBFC_TIMEOUT" [ONF 3 3 (2314, 0), OF 4 5 (17, 14)];
    BfBundleInProgress = "OFPBFC_BUNDLE_IN_PROGRESS" [ONF 3 3 (2315, 0), OF 4 5 (17, 15)];
    BfSchedNotSupported = "OFPBFC_SCHED_NOT_SUPPORTED" [OF 5 5 (17, 16)];
    BfSchedFuture = "OFPBFC_SCHED_FUTURE" [OF 5 5 (17, 17)];
    BfSchedPast = "OFPBFC_SCHED_PAST" [OF 5 5 (17, 18)];
    BfBadVersion = "OFPBFC_BAD_VERSION" [NX 4 5 (22, 0)];
    MofUnknown = "OFPMOFC_UNKNOWN" [OF 4 5 (16, 0)];
    MofMonitorExists = "OFPMOFC_MONITOR_EXISTS" [NX 0 1 (1, 517), NX 2 3 (6, 0), OF 4 5 (16, 1)];
    MofInvalidMonitor = "OFPMOFC_INVALID_MONITOR" [OF 4 5 (16, 2)];
    MofUnknownMonitor = "OFPMOFC_UNKNOWN_MONITOR" [NX 0 1 (1, 519), NX 2 3 (8, 0), OF 4 5 (16, 3)];
    MofBadCommand = "OFPMOFC_BAD_COMMAND" [OF 4 5 (16, 4)];
    MofBadFlags = "OFPMOFC_BAD_FLAGS" [NX 0 1 (1, 518), NX 2 3 (7, 0), OF 4 5 (16, 5)];
    MofBadTableId = "OFPMOFC_BAD_TABLE_ID" [OF 4 5 (16, 6)];
    MofBadOut = "OFPMOFC_BAD_OUT" [OF 4 5 (16, 7)];
    NxttmfBadCommand = "NXTTMFC_BAD_COMMAND" [NX 0 1 (1, 527), NX 2 5 (16, 0)];
    NxttmfBadOptLen = "NXTTMFC_BAD_OPT_LEN" [NX 0 1 (1, 528), NX 2 5 (17, 0)];
    NxttmfBadFieldIdx = "NXTTMFC_BAD_FIELD_IDX" [NX 0 1 (1, 529), NX 2 5 (18, 0)];
    NxttmfTableFull = "NXTTMFC_TABLE_FULL" [NX 0 1 (1, 530), NX 2 5 (19, 0)];
    NxttmfAlreadyMapped = "NXTTMFC_ALREADY_MAPPED" [NX 0 1 (1, 531), NX 2 5 (20, 0)];
    NxttmfDupEntry = "NXTTMFC_DUP_ENTRY" [NX 0 1 (1, 532), NX 2 5 (21, 0)];
    NxttmfInvalidTlvDel = "NXTTMFC_INVALID_TLV_DEL" [NX 0 1 (1, 537), NX 2 5 (38, 0)];
    NxrNotSupported = "NXR_NOT_SUPPORTED" [NX 0 1 (1, 533), NX 2 5 (34, 0)];
    NxrStale = "NXR_STALE" [NX 0 1 (1, 534), NX 2 5 (35, 0)];
    NxstNotConfigured = "NXST_NOT_CONFIGURED" [NX 0 1 (1, 535), NX 2 5 (36, 0)];
}
