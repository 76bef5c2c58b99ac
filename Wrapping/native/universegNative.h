/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef universegNative_h
#define universegNative_h

#include "UniverSegNativeExport.h"

#include <stdint.h> // NOLINT(modernize-deprecated-headers): a C header

#ifdef __cplusplus
extern "C" {
#endif

/** \file
   * UniverSegImageFilter, and the network without it, on plain memory, for
   * callers that have no itk::Image: the functions of the Python package load
   * this library alone, and neither ITK's wrapping nor its base classes.
   *
   * A function that fails returns a null pointer, 0 or what it says; the reason is
   * universeg_error(). Objects are released with universeg_release().
   * All functions may be called from several threads; one object may be used
   * from several, but not changed while another thread uses it. */

typedef struct UniverSegObject UniverSegObject;

/** Types of pixels' components. */
enum UniverSegPixel
{
  UNIVERSEG_UINT8 = 0,
  UNIVERSEG_INT16 = 1,
  UNIVERSEG_UINT16 = 2,
  UNIVERSEG_FLOAT32 = 3,
  UNIVERSEG_FLOAT64 = 4
};

/** Pixels in memory, contiguous, the first axis (x) fastest. */
typedef struct
{
  const void * data;
  int32_t pixel;      /**< UniverSegPixel */
  int32_t components; /**< 1; 3 for RGB, 4 for RGBA, as luminance */
  int32_t dimension;  /**< 2 or 3 */
  int64_t size[3];    /**< pixels along x, y, z */
} UniverSegImage;

/** Called with the part done, in [0, 1]; another value than 0 aborts. */
typedef int32_t (*UniverSegProgress)(double part);

/** What went wrong in this thread's last call that failed. */
UniverSegNative_EXPORT const char * universeg_error(void);

UniverSegNative_EXPORT void universeg_release(UniverSegObject * object);

/** A model, as SegmentationModel::Read(); a null file name: the embedded one. */
UniverSegNative_EXPORT UniverSegObject * universeg_model_read(const char * fileName);

/** SegmentationModel::GetDescription(), with "network", "configuration",
   * "number_of_parameters" and "grid_size" (columns, rows) added. The text is
   * valid until this thread's next call. */
UniverSegNative_EXPORT const char * universeg_model_describe(UniverSegObject * model);

/** An empty support set. */
UniverSegNative_EXPORT UniverSegObject * universeg_supports_new(int32_t softLabels);

/** Add a pair: of 2-D images, or of volumes, which give slices across an axis,
   * those given or with a count of 0 all that are labelled. Label images have
   * one component. Returns 1, or 0 and changes nothing. */
UniverSegNative_EXPORT int32_t universeg_supports_add(UniverSegObject * supports,
                                                      const UniverSegImage * image,
                                                      const UniverSegImage * label,
                                                      uint32_t axis,
                                                      const int64_t * slices,
                                                      int64_t count);

UniverSegNative_EXPORT int64_t universeg_supports_count(UniverSegObject * supports);

/** Write the first values of the distinct labels, ascending; returns how many
   * there are. */
UniverSegNative_EXPORT int64_t universeg_supports_labels(UniverSegObject * supports,
                                                         int64_t * labels,
                                                         int64_t capacity);

/** Parameters of UniverSegImageFilter, under its names; 0 has its meaning of
   * there. */
typedef struct
{
  double threshold;
  double lowerPercentile;
  double upperPercentile;
  double windowMinimum;
  double windowMaximum;
  uint64_t sliceBatchSize;
  uint64_t gridColumns;
  uint64_t gridRows;
  uint64_t ensembleSize;
  uint64_t ensembleSupportSize;
  uint64_t seed;
  uint64_t maximumNumberOfSupports;
  uint64_t numberOfNearestSupports;
  uint32_t sliceAxis;
  uint32_t numberOfWorkUnits; /**< 0: as many as ITK has threads */
  int32_t normalization;      /**< IntensityNormalizationEnums::Normalization */
  int32_t includeBackground;
  uint16_t foregroundValue;
  const char * backend;
  const char * device;
  const char * precision;
} UniverSegParameters;

/** The filter's defaults. */
UniverSegNative_EXPORT void universeg_parameters_default(UniverSegParameters * parameters);

/** As UniverSegImageFilter::GetOutputLabels(): what there are probabilities
   * of. Writes the first ones; returns how many there are, or -1. */
UniverSegNative_EXPORT int64_t universeg_output_labels(UniverSegObject * supports,
                                                       int32_t includeBackground,
                                                       int64_t * labels,
                                                       int64_t capacity);

/** Segment an image.
   * \param labels as many values as the image has pixels.
   * \param probabilities null, or for each of universeg_output_labels() as many
   * values as the image has pixels.
   * \param progress may be null.
   * Returns 1; 0 for an error; 2 when progress aborted. Writes only when it
   * returns 1. */
UniverSegNative_EXPORT int32_t universeg_segment(UniverSegObject * model,
                                                 UniverSegObject * supports,
                                                 const UniverSegParameters * parameters,
                                                 const UniverSegImage * image,
                                                 uint16_t * labels,
                                                 float * probabilities,
                                                 UniverSegProgress progress);

/** Where memory is, numbered as DLPack does. */
enum UniverSegDevice
{
  UNIVERSEG_CPU = 1,
  UNIVERSEG_CUDA = 2
};

/** Elements of float32 in memory, contiguous, the last axis fastest. */
typedef struct
{
  void * data;
  int64_t shape[5];
  int32_t rank;
  int32_t device;      /**< UniverSegDevice */
  int32_t deviceIndex; /**< of CUDA */
  /** Of CUDA: a cudaStream_t with work that the elements need, 1 for the legacy
     * default stream, 2 for the thread's own; null when there is none. */
  void * stream;
} UniverSegTensor;

/** How a network is run. */
typedef struct
{
  const char * backend;
  const char * device; /**< of tensors of CUDA: theirs */
  const char * precision;
  uint32_t threads; /**< 0: as many as ITK has */
} UniverSegComputation;

/** Run a model of UniverSeg on tensors as they are, without normalisation and
   * resampling: target [B, 1, H, W], support images and labels [B, S, 1, H, W] or
   * [1, S, 1, H, W], all on one device. Those of CUDA are read where they are, after
   * the work of their streams, and the result stays there; on the device "cuda"
   * those of the CPU are copied there and the result back.
   * Returns a tensor, the logits [B, 1, H', W'], when all is done. */
UniverSegNative_EXPORT UniverSegObject * universeg_predict(UniverSegObject * model,
                                                           const UniverSegTensor * target,
                                                           const UniverSegTensor * supportImages,
                                                           const UniverSegTensor * supportLabels,
                                                           const UniverSegComputation * computation);

/** A copy of a tensor on the device "cpu", "cuda" or "cuda:1". */
UniverSegNative_EXPORT UniverSegObject * universeg_tensor_copy(const UniverSegTensor * tensor, const char * device);

/** Where the elements of a tensor are, as long as it is not released; the stream
   * is null. Returns 1, or 0. */
UniverSegNative_EXPORT int32_t universeg_tensor_view(UniverSegObject * tensor, UniverSegTensor * view);

/** Index of the CUDA device in whose memory an address is, or -1. */
UniverSegNative_EXPORT int32_t universeg_find_device(const void * address);

/** PyCapsule_New(), PyCapsule_IsValid() and PyCapsule_GetPointer(), since this
   * library is not linked to Python's. */
typedef struct
{
  void * (*make)(void * pointer, const char * name, void (*destructor)(void * capsule));
  int (*isValid)(void * capsule, const char * name);
  void * (*getPointer)(void * capsule, const char * name);
} UniverSegCapsules;

/** A tensor as a DLPack capsule, "dltensor" or with a version "dltensor_versioned",
   * which keeps the elements; called with the interpreter's lock held. No code in
   * Python is needed to free it, so that it may outlive the interpreter's modules.
   * \param capsules the same in every call. */
UniverSegNative_EXPORT void * universeg_tensor_capsule(UniverSegObject * tensor,
                                                       int32_t hasVersion,
                                                       const UniverSegCapsules * capsules);

#ifdef __cplusplus
}
#endif

#endif
